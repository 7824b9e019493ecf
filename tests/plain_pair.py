"""A pair whose two sides are the same NumPy loop: it runs in milliseconds once a worker is up, and takes any edit."""

from pathlib import Path

SCENARIO = """\
from harness import Scenario, normal, between, computed
import numpy as np

scenario = Scenario(
    "A line fitted by gradient descent.",
    weights={"w": normal(3, 1)},
    data={"x": normal(12, 3), "y": normal(12, 1)},
    batch_size=4,
    epochs=2,
    hyper={"lr": 0.125},
    vary={"lr": between(0.01, 0.125)},
)
"""
LOOP = """\
import numpy as np


def train(weights, batches, *, lr):
    w = np.asarray(weights["w"])

    for step, (x, y) in enumerate(batches):
        error = np.asarray(x) @ w - np.asarray(y)
        grad = 2 * np.asarray(x).T @ error / error.size
        w = w - (lr * grad).astype(w.dtype)
        yield {"loss": (error**2).mean(), "grads": {"w": grad}, "params": {"w": w}}
"""
FILES = {"scenario.py": SCENARIO, "torch_loop.py": LOOP, "tensorflow_loop.py": LOOP}


def write(root: Path, name: str, *edits: tuple[str, str, str], without: str = "") -> Path:
    """Write the pair with edits (file, what to find exactly once, what to write), or without one of its files."""
    folder = root / name
    folder.mkdir(parents=True)
    for file, text in FILES.items():
        for target, find, put in edits:
            if target == file:
                assert text.count(find) == 1, (name, find)
                text = text.replace(find, put)
        if file != without:
            (folder / file).write_text(text, encoding="utf-8")
    return folder
