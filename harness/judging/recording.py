"""What a report draws of a judged pair, as plain and bounded data: curves by step, first disagreements, worst elements."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness.contract.record import causal
from harness.contract.stages import stage_of
from harness.oracle.evidence import Evidence
from harness.oracle.track import Track
from harness.verdict import Element, LossCurve, Recording

DIGITS = 3
"""Significant digits of a size that is drawn on a logarithmic scale."""

TENSORS, ELEMENTS = 12, 8
"""Of how many tensors, and for each of how many elements, the values are kept."""

Curve = Sequence[float]


def recording(seen: Evidence) -> Recording:
    """The evidence's curves, shortened to the digits that can be seen, in causal order."""
    curves, tracks = seen.oracle.recorded.curves, seen.tracks
    names = causal(list(tracks))
    return Recording(
        stride=seen.oracle.recorded.stride,
        threshold=seen.rule.threshold,
        losses={name: losses(curves, name) for name in names if stage_of(name) == "loss" and f"gap {name}" in curves},
        excess={name: shortened(curves[name], DIGITS) for name in names if name in curves},
        differences=tuple(seen.differences),
        worst={
            item.tensor: elements(tracks[item.tensor])
            for item in seen.differences[:TENSORS]
            if item.tensor in tracks and tracks[item.tensor].arrays is not None
        },
    )


def losses(curves: Mapping[str, Curve], name: str) -> LossCurve:
    """One loss's four curves."""
    both = (shortened(curves[f"{side} {name}="], 9) for side in ("torch", "tensorflow"))
    return LossCurve(*both, *(shortened(curves[f"{what} {name}"], DIGITS) for what in ("gap", "rounding")))


def shortened(values: Curve, digits: int) -> tuple[float | None, ...]:
    """A curve rounded to so many significant digits; None where it is no number.

    >>> shortened([1234.5, math.nan], 3)
    (1230.0, None)
    """
    return tuple(None if math.isnan(value) else float(f"{value:.{digits}g}") for value in values)


def elements(track: Track) -> tuple[Element, ...]:
    """The elements furthest apart where a tensor first differs, the furthest first; what is no number comes before all."""
    if track.arrays is None or track.arrays[0].shape != track.arrays[1].shape:
        return ()
    left, right = (np.asarray(array) for array in track.arrays)
    wide = np.complex128 if left.dtype.kind == "c" else np.float64
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(left.astype(wide) - right.astype(wide)).ravel()
    apart[np.isnan(apart)] = np.inf
    order = np.argsort(-apart, kind="stable")[:ELEMENTS]
    indices = [tuple(int(i) for i in np.unravel_index(flat, left.shape)) for flat in order if apart[flat] > 0]
    return tuple(
        Element(index, repr(left[index].item()), repr(right[index].item()), float(f"{apart[flat]:.{DIGITS}g}"))
        for index, flat in zip(indices, order, strict=False)
    )
