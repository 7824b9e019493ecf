"""float32 runs that stand alone: far from their own float64 and from the other side, so not the loop that is deployed."""

from typing import Literal

from harness.contract.stages import stage, stage_of
from harness.oracle.bounds import BETTER, GROSS, SEVERAL
from harness.oracle.columns import Columns
from harness.oracle.gap import gap, worst
from harness.oracle.rounding import UNIT32
from harness.oracle.track import Outlier, Track
from harness.running.start import SIDES, Side
from harness.verdict import LARGEST, Difference


class Outliers:
    """Every tensor and side that stands alone: where first, and how often."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, Side], Outlier] = {}

    def hear_values(
        self, step: int, name: str, track: Track, columns: Columns, own: tuple[float, float], across: float
    ) -> None:
        """The float64 runs agree, but is one float32 run far from them and from the other?

        own: how far each side's float32 is from its float64. across: how far apart the float64 runs are, as if in float32.
        """
        if not stage(name).deployed:
            return
        # An unstable formula is less exact in float64 too, 2^29 times less so; another computation in float32 is not.
        for side, mine, other in zip(SIDES, own, own[::-1], strict=True):
            if mine > GROSS * track.recent > 0 and mine > BETTER * max(other, across):
                self._add(step, name, side, track, "values", columns)

    def hear_whole(self, step: int, name: str, track: Track, columns: Columns) -> None:
        """Whole numbers that agree in float64: does one float32 run alone have others?"""
        if columns.narrow is None or not gap(*columns.narrow):
            return
        for side, own, other in zip(SIDES, columns.narrow, columns.narrow[::-1], strict=True):
            if gap(own, columns.left) and not gap(other, columns.left):
                self._add(step, name, side, track, "exact", columns)

    def _add(
        self, step: int, name: str, side: Side, track: Track, kind: Literal["values", "exact"], columns: Columns
    ) -> None:
        assert columns.narrow
        if (name, side) not in self.found:
            t32, f32 = columns.narrow
            at, apart, scale = worst(t32, f32), gap(t32, f32), track.recent
            sizes = (apart, apart / scale, apart / (UNIT32 * scale)) if kind == "values" else (0.0, 0.0, LARGEST)
            first = Difference(step, stage_of(name), name, kind, at.index, at.left, at.right, *sizes, only_in="float32")
            own = (t32, columns.left) if side == "torch" else (f32, columns.right)
            self.found[name, side] = Outlier(side, first, scale, track.steps, (own[0].copy(), own[1].copy()))
        self.found[name, side].steps += 1

    def lasting(self, tracks: dict[str, Track], horizon: int | None) -> list[Outlier]:
        """Those that stand alone for several steps, or for most of them since the first, and not past the horizon."""
        return [
            outlier
            for (name, _), outlier in self.found.items()
            if (outlier.steps >= SEVERAL or 2 * outlier.steps > tracks[name].steps - outlier.before)
            and (horizon is None or outlier.first.step < horizon)
        ]
