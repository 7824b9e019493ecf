r"""Writes the traces in tests/gpu from records of torch's side that were made on a GPU.

    python tests/gpu_trace.py FOLDER linear_regression mini_batch_mlp transformer_block
    twinloop record linear_regression mini_batch_mlp --side tensorflow --steps 4 --no-nudged -o tests/gpu/tensorflow
    twinloop record transformer_block --side tensorflow --steps 4 --no-nudged --only outputs --only 'params/*' \
        -o tests/gpu/tensorflow/transformer_block

FOLDER holds float32.npz, tf32.npz and float64.npz, whose arrays are called PAIR|STEP|TENSOR. Whoever has a GPU writes a trace
there at once, with `twinloop record PAIR --device cuda`.
"""

import inspect
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness import make_problem
from harness.contract.record import causal
from harness.running.pairs import Pair
from harness.running.start import Precision, RunSpec, Step, Watched
from harness.traces.recording import header
from harness.traces.thinning import WHOLE, Thinning
from harness.traces.writing import Writing

ROOT = Path(__file__).parent
STEPS = 4
FILES: dict[str, dict[Precision, str]] = {
    "off": {"float32": "float32.npz", "float64": "float64.npz"},
    "on": {"float32": "tf32.npz", "float64": "float64.npz"},
}
THINNED = {"transformer_block": Thinning(only=("outputs", "params/*"))}
"""Of the largest only some, which is a test of that too; the others whole."""
VERSIONS = {"torch": "2.11.0"}


def write(source: Path, name: str, tf32: str) -> None:
    """One pair's trace, with TF32 off or on."""
    pair = Pair(ROOT.parent / "pairs" / name)
    problem = make_problem(pair.scenario(), steps=STEPS)
    where = {"device": "cuda (NVIDIA H100 80GB, CUDA 13.0)", "settings": {"TF32": tf32}}
    thinning = THINNED.get(name, WHOLE)
    head = replace(header(pair, "torch", problem, VERSIONS, thinning, **where), recorded="elsewhere")
    parameters = tuple(inspect.signature(pair.train("torch")).parameters)  # type: ignore[arg-type]
    with Writing(ROOT / "gpu" / f"tf32-{tf32}" / name, head, problem) as trace:
        for precision, file in FILES[tf32].items():
            written = trace.run(RunSpec("torch", precision), problem)
            written.begin(parameters, captured=False)
            with np.load(source / file, allow_pickle=False) as held:
                for step, (epoch, batch) in zip(range(STEPS), problem.batches(), strict=False):
                    start = f"{name}|{step}|"
                    names = causal([key.removeprefix(start) for key in held if key.startswith(start)])
                    arrays = {key: held[start + key] for key in names}
                    first = next(iter(batch.values()))
                    np.testing.assert_array_equal(arrays["batch/0"].reshape(first.shape), first)
                    written.take(Step(thinning.thinned(arrays, "loss"), epoch, len(first)), Watched())
            written.end(Watched())


if __name__ == "__main__":
    for asked in sys.argv[2:]:
        for setting in FILES:
            write(Path(sys.argv[1]), asked, setting)
