"""Which arrays of a tensor can be measured at all: those of one kind and shape, in their finite elements."""

import numpy as np

from harness.contract.stages import stage, stage_of
from harness.oracle.columns import Columns, shown
from harness.oracle.gap import magnitude, unlike
from harness.oracle.rounding import FILL, compared, unlike_infinities
from harness.oracle.scales import Scales
from harness.oracle.track import Track
from harness.verdict import Difference


class Comparable:
    """Notes what is no matter of degree in the tracks.

    not_finite: where the two sides end alike, in no number. overflows: by step, where it was none and the state went on.
    blank: the first step at which a tensor that may be no number was none. carries: whether a state is recorded at all.
    """

    def __init__(self, tracks: dict[str, Track], scales: Scales) -> None:
        self.tracks, self.scales = tracks, scales
        self.not_finite: Difference | None = None
        self.overflows: dict[int, Difference] = {}
        self.blank: dict[str, int] = {}
        self.carries = False

    def alike(self, step: int, name: str, columns: Columns) -> bool:
        """Whether all arrays are of one kind and shape; noted where they are not."""
        track = self.tracks[name]
        if reason := next((said for a, b in columns.pairs if (said := unlike(a, b))), None):
            kind, of_torch, of_tensorflow = reason
            found = Difference(step, stage_of(name), name, kind, torch=of_torch, tensorflow=of_tensorflow)
            track.mark(step, found)
            return False
        if any(array.shape != columns.left.shape for array in columns):
            other = next(array for array in columns if array.shape != columns.left.shape)
            kinds = ("float32", "float64") if columns.narrow else ("the run nudged", "the run")
            shapes = f"{other.shape} in {kinds[0]}, {columns.left.shape} in {kinds[1]}"
            track.mark(step, Difference(step, stage_of(name), name, "shape", torch=shapes, tensorflow=shapes))
            return False
        return True

    def finite(self, step: int, name: str, columns: Columns) -> Columns | None:
        """The arrays, or of each the elements that are neither a fill value nor NaN; None where that is no number either."""
        known = stage(name)
        if not known.trained and not self.scales.size[name] < FILL:  # NaN is not below
            same = compared(columns.pairs)
            if same is not None:
                columns = columns.each(lambda array, _: np.where(same, 0, array))
            self.scales.size[name] = magnitude(columns.left)
        if all(np.isfinite(array).all() for array in columns):
            return columns
        for a, b in columns.pairs:
            if np.isfinite(a).all() and np.isfinite(b).all():
                continue
            if not (np.isfinite(a) == np.isfinite(b)).all() or unlike_infinities(a, b):
                self.tracks[name].mark(step, shown(step, name, "not finite", a, b))
                return None
            if known.finite and (known.carried or not self.carries):
                self.not_finite = self.not_finite or self.overflows.get(step) or shown(step, name, "not finite", a, b)
                return None
            if known.finite:  # a step that overflows and is skipped, if what it hands on stays finite
                self.overflows.setdefault(step, shown(step, name, "not finite", a, b))
            else:
                self.blank.setdefault(name, step)
            if a is columns.left:
                there = np.isfinite(a)
                if not there.any():
                    return None
                columns = columns.each(lambda array, _, there=there: np.where(there, array, 0))  # type: ignore[misc]
                self.scales.size[name] = magnitude(columns.left)
        # A float32 or nudged run that is no number measures no noise; what is judged is judged without it.
        return columns.each(lambda array, own: np.where(np.isfinite(array), array, own))
