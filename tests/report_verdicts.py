"""Verdicts made by hand, as rich as real ones, for the tests of every report."""

from typing import Any

import numpy as np

from harness.report import wording
from harness.verdict import (
    LARGEST,
    Curve,
    Diagnosis,
    Difference,
    Element,
    Finding,
    LossCurve,
    Recording,
    Sensitivity,
    TensorSummary,
    Verdict,
)

HOSTILE = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"> & | `x` @me"
CODES = "\x1b[31mred\x00\u202ereversed\ud800"
LONG = "x" * 10_000
TORCH = "import torch\n\n\ndef train(weights, batches, *, lr):\n    for x, y in batches:\n        yield {}\n"
TENSORFLOW = "import keras\n\n\ndef train(weights, batches, *, lr):\n    for x, y in batches:\n        yield {1 / 0}\n"
STAGES = ("batch", "outputs", "loss", "grads", "params")
HEADER = {"python": "3.11.7", "torch": "2.13.0", "tensorflow": "2.21.0", "threads": "1"}


def passing(pair: str = "sound", steps: int = 20, tensors: int = 3, seed: int = 0, **changes: Any) -> Verdict:
    """EQUIVALENT, with so many tensors in each stage and an excess near 1."""
    rng = np.random.default_rng(seed)
    names = [f"{stage}/layer{i // 2}.{'bias' if i % 2 else 'weight'}" for stage in STAGES for i in range(tensors)]
    names = [name for name in names if not name.startswith("loss")] + ["loss"]
    names.sort(key=lambda name: STAGES.index(name.split("/")[0]))
    excess = {name: rounded(np.exp(rng.normal(0, 1, steps))) for name in names}
    loss = rounded(2 * 0.9 ** np.arange(steps), 9)
    recording = Recording(
        1, 1000.0, {"loss": LossCurve(loss, loss, rounded(1e-16 * rng.random(steps)), (1e-16,) * steps)}, excess
    )
    known: dict[str, Any] = {
        "problem": {"seed": "0", "batch_size": "4", "lr": "0.125"},
        "steps": steps,
        "excess": 3.0,
        "excess_tensor": "params/layer0.weight",
        "curve": Curve("loss", (2.0, 1.0), (2.0, 1.0)),
        "tensors": tuple(TensorSummary(name, max(excess[name]), 0, 1e-16, 1e-8, 1.0) for name in names),
        "sensitivity": (Sensitivity("lr off by 1e-06", "hyperparameter", True, 1, "params/layer0.weight", 1e8),),
        "header": HEADER,
        "machine": "Linux, a processor, 2 cores",
        "listings": {"torch_loop.py": TORCH, "tensorflow_loop.py": TENSORFLOW},
        "recording": recording,
    }
    return Verdict(pair, "EQUIVALENT", f"{steps} steps, worst excess 3", **known | changes)


def failing(pair: str = "apart", steps: int = 20, **changes: Any) -> Verdict:
    """DIFFERENT from step 3 on: the weight's gradient, and what comes of it."""
    sound = passing(pair, steps)
    excess = dict(sound.recording.excess)
    for name in excess:
        begins = 3 if name in ("grads/layer0.weight", "params/layer0.weight") else 4
        if not name.startswith("batch"):
            excess[name] = (*excess[name][:begins], *((1e7,) * (steps - begins)))
    first = Difference(3, "grads", "grads/layer0.weight", "values", (1, 2), "0.5", "0.25", 0.25, 0.5, 1e7)
    later = Difference(3, "params", "params/layer0.weight", "values", (0, 0), "1.0", "2.0", 1.0, 0.5, LARGEST)
    worst = {first.tensor: (Element((1, 2), "0.5", "0.25", 0.25), Element((0, 0), "0.125", "0.25", 0.125))}
    recording = Recording(1, 1000.0, sound.recording.losses, excess, (first, later), worst)
    known: dict[str, Any] = {
        "first": first,
        "excess": 1e7,
        "recording": recording,
        "sensitivity": (),
        "findings": (
            Finding("float32 leak", "torch: 0.1 goes through float32, tensorflow_loop.py:6", first.tensor, 3),
        ),
        "printed": "one line\nanother",
    }
    made = {name: getattr(sound, name) for name in sound.__dataclass_fields__} | known
    return Verdict(**made | {"status": "DIFFERENT", "sentence": wording.difference(first)} | changes)


ADAM_TORCH = """import torch


def train(weights, batches, *, lr):
    model = build(weights)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for x, y in batches:
        yield {}
"""
ADAM_TENSORFLOW = """import keras


def train(weights, batches, *, lr):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.Adam(lr)
    for x, y in batches:
        yield {}
"""
ADAM = Diagnosis(
    "adam-eps-default",
    "proved",
    "the optimizer",
    "eps",
    {"eps": "1e-08"},
    {"eps": "1e-07"},
    "Adam's epsilon is 1e-8 in torch and 1e-7 in Keras; it shows where gradients are small.",
    "faithful.Adam(lr)",
    tried=12,
    patch="--- a/port.py\n+++ b/port.py\n-    optimizer = keras.optimizers.Adam(lr)\n+    optimizer = faithful.Adam(lr)\n",
)


def explained(pair: str = "adam", **changes: Any) -> Verdict:
    """DIFFERENT, because the port has Keras' Adam."""
    listings = {"torch_loop.py": ADAM_TORCH, "tensorflow_loop.py": ADAM_TENSORFLOW}
    return failing(pair, **{"causes": (ADAM,), "findings": (), "listings": listings} | changes)


def hostile() -> Verdict:
    """Every text of somebody else's holds markup, control codes and 10,000 characters."""
    text = HOSTILE + CODES + LONG
    names = [f"params/{text}1", f"params/{text}2"]
    first = Difference(0, "params", names[0], "values", (0,), text, text, 1.0, 1.0, 1e9)
    return failing(
        text,
        steps=2,
        sentence=text,
        first=first,
        findings=(Finding("printed", text),),
        printed=f"{text}\n{text}",
        trace=f"{text}\n",
        sensitivity=(Sensitivity(text, "data", True, 0, names[0], 1e9),),
        problem={text: text},
        header={text: text},
        machine=text,
        excess_tensor=names[0],
        unmoved=(names[0],),
        curve=Curve(text, (1.0, 2.0), (1.0, 2.0)),
        tensors=tuple(TensorSummary(name, 1e9, 0, 1.0, 1e-8, 1.0) for name in names),
        recording=Recording(
            1,
            1000.0,
            {f"loss/{text}": LossCurve((1.0, 2.0), (1.0, 2.0), (0.0, 0.0), (1e-16, 1e-16))},
            dict.fromkeys(names, (1e9, 1e9)),
            (first,),
            {names[0]: (Element((0,), text, text, 1.0), Element((1,), text, text, 1.0))},
        ),
        listings={"torch_loop.py": text + "\n" + text, "tensorflow_loop.py": text},
        causes=(
            Diagnosis(
                text, "likely", text, text, {text: text}, {text: text}, text, text, (text,), first, 3, patch=text
            ),
        ),
    )


def rounded(values: Any, digits: int = 3) -> tuple[float | None, ...]:
    """Numbers as a recording keeps them."""
    return tuple(float(f"{value:.{digits}g}") for value in values)
