"""A problem whose scenario has no weights, or names some that only torch can give, with what a run of torch's gives."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.errors import UsageError
from harness.running.start import LoopError, RunSpec, Start

REFERENCE = RunSpec("torch", "float32", initial=True)
"""The run that is asked: seeded, and in float32, so that every run can begin with the same numbers."""


def with_initial_state(start: Start, problem: Problem, *, raising: bool = False, zero: Sequence[str] = ()) -> Problem:
    """The problem as it is if it has weights, else with what the reference's model holds before its first step.

    If it raises before its first step, the problem comes back as it was, for its runs to raise there too; or with
    ``raising``, that is raised. zero: names of what is 0 whatever the initialisers give, for the port
    has no such tensor. Raises UsageError if it makes no step.
    """
    if problem.weights:
        return problem
    run = start(REFERENCE, replace(problem, weights={}))
    try:
        weights: dict[str, Array] = {
            name: np.zeros_like(array) if name in zero else np.array(array)
            for name, array in next(run).arrays.items()
            if array is not None
        }
    except LoopError:
        if raising:
            raise
        return problem
    except StopIteration:
        raise UsageError(
            "the training function in torch_loop.py ended without calling an optimizer's step(), so nothing was trained"
        ) from None
    finally:
        run.close()
    if not weights:
        raise UsageError(
            "no model was called before the first step in torch_loop.py, so nothing is known of its weights"
        )
    return replace(problem, weights=weights)
