"""Five models of transformers, PyTorch's class beside TensorFlow's: whether ten steps of SGD are the same training.

    python -m venv models && models/bin/pip install . "transformers==4.57.*" "tf_keras==2.21.*"
    models/bin/python tests/evidence/transformers_models.py [MODEL ...] [--json FILE]

The TensorFlow classes are legacy Keras' and full of float32: Python floats that are cast, logits that are cast to at least
float32, layers' own constants. Tiny configurations are drawn from the scenario's seed, so nothing is downloaded; the weights
go to TensorFlow by the library's own conversion, with dropout 0. The last row has an epsilon of LayerNorm planted in BERT.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

SMALL = "hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=3"
STILL = "hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0"
MODELS = {
    "bert": (
        "BertForSequenceClassification",
        "BertConfig",
        f"vocab_size=40, max_position_embeddings=16, {SMALL}, {STILL}",
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2Config",
        "vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0",
    ),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        "vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, dropout_rate=0.0, decoder_start_token_id=0",
    ),
    "vit": ("ViTForImageClassification", "ViTConfig", f"image_size=8, patch_size=4, {SMALL}, {STILL}"),
    "bart": (
        "BartForConditionalGeneration",
        "BartConfig",
        "vocab_size=40, max_position_embeddings=16, d_model=16, encoder_layers=2, decoder_layers=2, "
        "encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, "
        "dropout=0.0, attention_dropout=0.0, activation_dropout=0.0",
    ),
}
"""Class, configuration and its sizes."""

WORDS = '"input_ids": computed(lambda rng: rng.integers(3, 40, size=(20, 8)))'
PICTURES = '"pixel_values": normal(20, 3, 8, 8)'
CLASSES = '"labels": integers(20, high=3)'
ANSWERS = '"labels": computed(lambda rng: rng.integers(3, 40, size=(20, 5)))'
DATA = {
    "bert": (WORDS, CLASSES),
    "gpt2": (WORDS, '"labels": computed(lambda input_ids: input_ids)'),
    "t5": (WORDS, ANSWERS),
    "vit": (PICTURES, CLASSES),
    "bart": (WORDS, ANSWERS),
}

SCENARIO = """\
from harness import Scenario, computed, fan_in_uniform, integers, normal, ones

scenario = Scenario(
    "{name} of transformers under SGD: outputs, loss, gradients and weights agree.",
    weights={{
{weights}
    }},
    data={{{data}}},
    batch_size=4,
    epochs=2,
    hyper={{"lr": 0.05}},
)
"""
TORCH = """\
import torch
from transformers import {config}, {model}


def train(weights, batches, *, lr):
    model = {model}({config}({sizes}))
    model.load_state_dict(dict(weights), strict=False)
    model.tie_weights()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    for batch in batches:
        outputs = model(**batch._asdict())
        optimizer.zero_grad()
        outputs.loss.backward()
        grads = {{name: p.grad for name, p in model.named_parameters()}}
        optimizer.step()
        yield {{
            "outputs": outputs.logits,
            "loss": outputs.loss,
            "grads": grads,
            "params": dict(model.named_parameters()),
        }}
"""
TENSORFLOW = """\
import tensorflow as tf
import tf_keras
from transformers import {config}, TF{model}
from transformers.modeling_tf_pytorch_utils import (
    convert_tf_weight_name_to_pt_weight_name,
    load_pytorch_state_dict_in_tf2_model,
)

from harness import Port

AXES = {{"simple": "i o -> o i", "conv2d": "h w i o -> o i h w"}}


def entry(variable, weights):
    name, turned = convert_tf_weight_name_to_pt_weight_name(
        variable.name, tf_weight_shape=variable.shape
    )
    if turned.value in AXES:
        return name, variable, AXES[turned.value]
    if len(variable.shape) > len(weights[name].shape):
        return name, variable, "1 o -> o"
    return name, variable


def train(weights, batches, *, lr):
    model = TF{model}({config}({sizes}))
    model(model.dummy_inputs)
    arrays = {{name: weights[name].numpy() for name in weights}}
    load_pytorch_state_dict_in_tf2_model(model, arrays, allow_missing_keys=True)
    port = Port(*(entry(v, weights) for v in model.trainable_variables))
    optimizer = tf_keras.optimizers.SGD(learning_rate=lr)

    for batch in batches:
        with tf.GradientTape() as tape:
            outputs = model(batch._asdict(), training=True)
            loss = tf.reduce_mean(outputs.loss)
        grads = tape.gradient(loss, port.variables)
        grads = [tf.convert_to_tensor(grad) for grad in grads]
        optimizer.apply_gradients(zip(grads, port.variables, strict=True))
        yield {{
            "outputs": outputs.logits,
            "loss": loss,
            "grads": port.named(grads),
            "params": port.named(port.variables),
        }}
"""
PLANTED = ("bert", "an epsilon of 1e-6 for 1e-12", ", layer_norm_eps=1e-6")


def recipe(name: str, shape: tuple[int, ...]) -> str:
    """How a weight is drawn: scales of a norm are ones, all else is spread as torch's layers are."""
    sizes = ", ".join(map(str, shape))
    if len(shape) == 1 and name.endswith("weight"):
        return f"ones({sizes})"
    return f"fan_in_uniform({sizes}, fan_in={16 if len(shape) < 4 else 48})"


def write(folder: Path, name: str, planted: str = "") -> None:
    """One pair of the command line's kind: scenario, loop, port."""
    import transformers

    model, config, sizes = MODELS[name]
    sizes_of = eval(f"dict({sizes})")  # noqa: S307  # the table above
    reference = getattr(transformers, model)(getattr(transformers, config)(**sizes_of))
    weights = "\n".join(f'        "{key}": {recipe(key, tuple(p.shape))},' for key, p in reference.named_parameters())
    parts: dict[str, Any] = {"model": model, "config": config}
    folder.mkdir()
    text = SCENARIO.format(name=name, weights=weights, data=", ".join(DATA[name]))
    (folder / "scenario.py").write_text(text, encoding="utf-8")
    (folder / "torch_loop.py").write_text(TORCH.format(sizes=sizes, **parts), encoding="utf-8")
    (folder / "tensorflow_loop.py").write_text(TENSORFLOW.format(sizes=sizes + planted, **parts), encoding="utf-8")


def judged(names: list[str]) -> list[dict[str, Any]]:
    """The verdicts on the pairs of these models, and on the one with the planted mistake, by ``twinloop run``."""
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with tempfile.TemporaryDirectory() as place:
        pairs, out = Path(place) / "pairs", Path(place) / "verdicts.json"
        pairs.mkdir()
        for name in names:
            write(pairs / name, name)
        if PLANTED[0] in names:
            write(pairs / f"{PLANTED[0]}_planted", PLANTED[0], PLANTED[2])
        command = [sys.executable, "-m", "harness", "run", "--pairs", str(pairs), "--jobs", "1", "--json", str(out)]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)  # noqa: S603
        if not out.exists() or not out.stat().st_size:
            raise SystemExit(done.stdout + done.stderr)
        return json.loads(out.read_text(encoding="utf-8"))["verdicts"]


@click.command(help=__doc__)
@click.argument("models", nargs=-1, type=click.Choice(list(MODELS)))
@click.option("--json", "out", type=click.Path(path_type=Path), help="Also write the rows to this file.")
def main(models: tuple[str, ...], out: Path | None) -> None:
    """Print the table, and fail if a row is not what it must be."""
    rows = []
    for verdict in judged(list(models or MODELS)):
        planted = verdict["pair"].endswith("_planted")
        kept = [finding for finding in verdict["findings"] if finding["kind"] == "kept wide"]
        good = (verdict["status"], verdict["rule"]) == ("DIFFERENT" if planted else "EQUIVALENT", "four runs")
        rows.append(
            {
                "model": PLANTED[0] if planted else verdict["pair"],
                "planted": PLANTED[1] if planted else "",
                "verdict": verdict["status"],
                "rule": verdict["rule"],
                "steps": verdict["steps"],
                "excess": verdict["excess"],
                "tensor": verdict["excess_tensor"],
                "kept": len(kept),
                "good": good,
            }
        )
    click.echo(f"{'model':6}{'planted':32}{'verdict':12}{'rule':16}{'steps':>5}{'excess':>10}  worst tensor")
    for row in rows:
        click.echo(
            f"{row['model']:6}{row['planted']:32}{row['verdict']:12}{row['rule']:16}{row['steps']:5}{row['excess']:10.2g}  "
            f"{row['tensor']}{'' if row['good'] else '   not as it must be'}"
        )
    if out:
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(row["good"] for row in rows) else 1)


if __name__ == "__main__":
    main()
