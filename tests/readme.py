"""Writes the generated parts of README.md and pairs/README.md: the collection, and the tables of evidence.

    python tests/readme.py [--check]

A part stands between <!-- name --> and <!-- /name -->. --check changes nothing and fails if a part is out of date.
"""

import ast
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from harness.contract.record import STAGES
from harness.running.frameworks import SIDES
from harness.running.pairs import Pair, discover

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
sys.path.insert(0, str(ROOT / "tests" / "evidence"))

from results import read  # noqa: E402  (beside the commands that write what it reads)

GROUPS = {
    "Optimizers": "adadelta adagrad adam_regression adamw_groups amsgrad nadam rmsprop_centered sgd_dampening sgd_nesterov",
    "Loop mechanics": "bfloat16_mixed clip_global_norm data_parallel ema_weights float16_loss_scaling frozen_backbone "
    "gradient_accumulation plateau_schedule sharpness_aware train_eval_metrics warmup_cosine",
    "Vision": "convnet_batchnorm mobilenet_block residual_net unet vision_transformer",
    "Sequence": "ctc_speech gpt gru_tagger lstm_classifier lstm_language_model masked_language_model seq2seq_attention "
    "temporal_convolution transformer_block",
    "Generative": "autoencoder_l1 denoising_diffusion gan vae vq_vae wgan_gradient_penalty",
    "Others": "contrastive dqn graph_convolution knowledge_distillation maml multi_task physics_informed ppo "
    "siamese_triplet skip_gram sparse_embedding",
    "The article's": "binary_classifier linear_regression mini_batch_mlp",
}
"""What the pairs of the collection are about: every one stands in one group."""


def overview() -> str:
    """One line for every group, with links to its pairs."""
    grouped = [name for names in GROUPS.values() for name in names.split()]
    if sorted(grouped) != [pair.name for pair in discover(ROOT / "pairs")]:
        raise click.ClickException("GROUPS in tests/readme.py must name every pair, once, and nothing else")
    return "\n".join(
        f"- **{group}**: {', '.join(link(name, 'pairs/') for name in names.split())}" for group, names in GROUPS.items()
    )


def collection() -> str:
    """One row for every pair: its name and its sentence."""
    pairs = discover(ROOT / "pairs")
    rows = [(link(pair.name, "pairs/"), " ".join(pair.scenario().about.split())) for pair in pairs]
    return f"{len(pairs)} pairs:\n\n" + table(("pair", "what must agree"), rows)


def records() -> str:
    """One row for every pair: its name and further ports, the stages that its loop records, and its traps."""
    rows = [
        (
            link(pair.name) + "".join(f"<br>`:{name}`" for name in pair.variants),
            ", ".join(recorded(pair)),
            ", ".join(pair.scenario().traps),
        )
        for pair in discover(ROOT / "pairs")
    ]
    return table(("pair", "recorded", "traps that the port avoids"), rows)


def link(name: str, folder: str = "") -> str:
    """A pair's name as a link to its folder."""
    return f"[{name}]({folder}{name})"


def recorded(pair: Pair) -> list[str]:
    """The stages that the pair's loops record, in causal order: the keys of every dict that has a "loss".

    The loops are read and not run, because this file loads no framework. A model stands for its gradients and
    parameters, an optimizer for its rate and, unless it is plain SGD, its slots; the port's loop tells of the buffers.
    """
    loops = [pair.file(side).read_text(encoding="utf-8") for side in SIDES]
    dicts = [
        {key.value for key in node.keys if isinstance(key, ast.Constant)}
        for loop in loops
        for node in ast.walk(ast.parse(loop))
        if isinstance(node, ast.Dict)
    ]
    keys = set().union(*(found for found in dicts if "loss" in found))
    if "model" in keys:
        keys |= {"grads", "params"}
    if "optimizer" in keys:
        keys |= {"lr"} if "keras.optimizers.SGD" in loops[1] else {"lr", "slots"}
    return [stage for stage in STAGES if stage in keys]


def peers() -> str:
    """One row for every published rule."""
    found = read("peers")
    rows = [
        (bold(item, item["name"]), item["says"], f"{item['detected']} of {found['faults']}",
         f"{item['false_alarms']} of {found['valid']}")
        for item in found["rules"]
    ]  # fmt: skip
    return table(("whose rule", "what it says", "faults noticed", "false alarms"), rows)


def bold(item: dict[str, Any], text: str) -> str:
    """The text in bold if the row is ours."""
    return f"**{text}**" if item["name"] == "twinloop" else text


def example() -> str:
    """Two cases that float32 cannot tell apart."""
    known = {case["name"]: case for case in read("peers")["cases"]}
    names = ("layer normalization, variance in one pass, mean 10", "layer normalization, epsilon 1e-6")
    rows = [
        (known[name]["name"] + (", valid" if known[name]["valid"] else ", a mistake"),
         *(f"{known[name][size]:.2g}" for size in ("float32", "float64", "excess")))
        for name in names
    ]  # fmt: skip
    return table(("against torch's layer normalization", "apart in float32", "apart in float64", "excess"), rows)


def gap() -> str:
    """Valid runs and faults side by side, for each rule."""
    names = {"four runs": "four runs", "nudged float32": "weaker rule, float32 alone"}
    rows = []
    for rule in read("gap").get("rules", ()):
        worst, least = rule["worst"], rule["least"]
        rows.append(
            (
                names[rule["rule"]],
                f"{rule['runs']} of {rule['pairs']} pairs, {rule['steps']} steps",
                f"{worst['excess']:.3g}: {worst['pair']}, {worst['tensor']}" if worst else "",
                f"{rule['found']} of {rule['faults']}",
                f"{least['excess']:.2g}: {least['fault']}" if least else "",
                f"{rule['empty_decades']}" if rule["empty_decades"] is not None else "",
            )
        )
    head = ("rule", "valid runs", "largest excess", "faults found", "smallest excess", "empty decades between")
    return table(head, rows)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


Parts = Mapping[str, Callable[[], str]]

PARTS: Parts = {
    "example": example, "gap": gap, "peers": peers, "overview": overview, "collection": collection,
}  # fmt: skip
DOCUMENTS: Mapping[Path, Parts] = {README: PARTS, ROOT / "pairs" / "README.md": {"records": records}}


def filled(text: str, parts: Parts = PARTS) -> str:
    """A document with every part written anew."""
    for name, make in parts.items():
        marker = re.compile(rf"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
        if len(marker.findall(text)) != 1:
            raise click.ClickException(f"<!-- {name} --> and <!-- /{name} --> must be there, once")
        part = f"<!-- {name} -->\n\n{make()}\n\n<!-- /{name} -->"
        text = marker.sub(lambda _, part=part: part, text)
    return text


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if a part is out of date.")
def main(check: bool) -> None:
    """Write the generated parts of README.md and pairs/README.md."""
    for path, parts in DOCUMENTS.items():
        before = path.read_text(encoding="utf-8")
        after = filled(before, parts)
        if check and before != after:
            raise click.ClickException(f"{path.relative_to(ROOT)} is out of date; run: python tests/readme.py")
        if not check:
            path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
