"""The line search of `torch.optim.LBFGS`: a step that satisfies the strong Wolfe conditions, by cubic interpolation."""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
At = Callable[[Any], tuple[float, Array]]

C1, C2 = 1e-4, 0.9
"""How much of the slope the loss must fall by, and what part of the slope may be left: Nocedal and Wright, 3.1."""

TOLERANCE = 1e-9


def cubic_interpolate(x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: Any = None) -> Any:
    """Where the cubic through two points with these slopes is least, within the bounds (the points themselves)."""
    low, high = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    if x1 <= x2:
        least = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        least = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(least, low), high)


def strong_wolfe(at: At, t: Any, d: Array, f: float, g: Array, slope: Any, most: int) -> tuple[float, Array, Any, int]:
    """(loss, gradient, step, evaluations) of the step that is taken from `t` on, after `most` evaluations at most.

    `at(t)` gives loss and gradient there; `f`, `g` and `slope` are those at 0 along `d`.
    """
    length = np.abs(d).max()
    new_f, new_g = at(t)
    evals = 1
    new_slope = new_g.dot(d)
    # First a bracket that holds such a step: (step, loss, gradient, slope) at its ends, or the step itself.
    before: tuple[Any, ...] = (0, f, g, slope)
    done, tries = False, 0
    bracket: list[tuple[Any, ...]] = []
    while tries < most:
        now = (t, new_f, new_g, new_slope)
        if new_f > (f + C1 * t * slope) or (tries > 1 and new_f >= before[1]):
            bracket = [before, now]
            break
        if abs(new_slope) <= -C2 * slope:
            bracket, done = [now], True
            break
        if new_slope >= 0:
            bracket = [before, now]
            break
        low, high = t + 0.01 * (t - before[0]), t * 10
        t = cubic_interpolate(before[0], before[1], before[3], t, new_f, new_slope, bounds=(low, high))
        before = now
        new_f, new_g = at(t)
        evals += 1
        new_slope = new_g.dot(d)
        tries += 1
    if tries >= most:
        bracket = [(0, f, g, slope), (t, new_f, new_g, new_slope)]

    # Then it is made smaller, until the step is found or there is no room left.
    stuck = False
    low_end, high_end = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    while not done and tries < most:
        if abs(bracket[1][0] - bracket[0][0]) * length < TOLERANCE:
            break
        (x1, f1, _, g1), (x2, f2, _, g2) = bracket
        t = cubic_interpolate(x1, f1, g1, x2, f2, g2)
        largest, smallest = max(x1, x2), min(x1, x2)
        eps = 0.1 * (largest - smallest)
        if min(largest - t, t - smallest) < eps:
            # Twice close to an end is no progress: a tenth of the bracket away from it.
            if stuck or t >= largest or t <= smallest:
                t = largest - eps if abs(t - largest) < abs(t - smallest) else smallest + eps
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        new_f, new_g = at(t)
        evals += 1
        new_slope = new_g.dot(d)
        tries += 1
        now = (t, new_f, new_g, new_slope)
        if new_f > (f + C1 * t * slope) or new_f >= bracket[low_end][1]:
            bracket[high_end] = now
            low_end, high_end = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(new_slope) <= -C2 * slope:
                done = True
            elif new_slope * (bracket[high_end][0] - bracket[low_end][0]) >= 0:
                bracket[high_end] = bracket[low_end]
            bracket[low_end] = now
    t, new_f, new_g, _ = bracket[low_end]
    return new_f, new_g, t, evals
