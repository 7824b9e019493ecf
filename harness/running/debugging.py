"""One side of a pair in this very process, for a debugger: nothing is forked, nothing is compared, output is the terminal's."""

from collections.abc import Callable
from contextlib import closing
from typing import cast

import numpy as np

from harness.contract.stages import stage_of
from harness.contract.stored import wants_torch
from harness.running.engine import Engine
from harness.running.frameworks import load
from harness.running.initial_state import with_initial_state
from harness.running.messages import Request
from harness.running.run import Run
from harness.running.start import LoopError, Precision, RunSpec, Side


def debug(request: Request, side: str, say: Callable[[str], None]) -> None:
    """Run the loop to its end, and say the losses of every step; an exception leaves with its whole traceback.

    The precision is float32 unless the request is for float64 alone. Raises UsageError as any run does.
    """
    pair = request.pair
    problem = request.problem(pair.scenario())
    if wants_torch(problem.scenario.weights):  # this process may be one of the other framework's
        with closing(Engine(request.threads)) as engine, engine.pair(pair) as start:
            problem = with_initial_state(start, problem)
    precision: Precision = "float64" if request.precision == "float64" else "float32"
    spec = RunSpec(cast("Side", side), precision)
    framework = load(spec.side, request.threads)
    framework.begin(precision, problem.seed)
    np.random.seed(problem.seed)  # the global state is what loops may use
    run = Run(pair, spec, problem, framework)
    say(f"{pair.name}: {side} loop, {precision}, in this process")
    try:
        for number, step in enumerate(run):
            losses = {name: array for name, array in step.arrays.items() if stage_of(name) == "loss"}
            shown = (f"{name} {np.mean(array):.8g}" for name, array in losses.items() if array is not None)
            say(f"step {number}: {', '.join(shown) or 'no loss'}")
    except LoopError as error:
        raise error.__cause__ or error from None
    finally:
        run.close()
