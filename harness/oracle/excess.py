"""The oracle: rounding shrinks, mistakes do not.

One problem is run by torch and TensorFlow in float32 and in float64. What separates a float32 run from the float64 run
of the same framework is rounding, measured on this very problem: cancellation, amplification and all. Going from
float32 to float64 divides rounding by 2**29. A difference in the mathematics is divided by nothing. So

    noise  = max(|t32 - t64|, |f32 - f64|, 2**-24 |t64|)     per tensor, the largest so far
    excess = |f64 - t64| / (2**-29 noise)

is near 1 where only rounding separates torch (t) from TensorFlow (f), and a million or more where they compute
different things. Nobody has to say how large a loss or a gradient is, or how badly conditioned.

Some computations do not let rounding shrink so: the square root of a rounded zero, the sign of one. A difference in
values is therefore heard a second time, on appeal, beside two more float64 runs whose weights are one unit off: what
moves either side as far from itself is no difference between them.

Where one side cannot run in float64, runs of one precision have to do: torch, torch with every weight moved by one unit
in the last place, up or down by several draws, and TensorFlow. That sees only what is larger than rounding, so it is the
weaker rule. What a loop rounds to bfloat16 or float16 may come out one unit apart where both are right, if the number lay
halfway between two; there the verdict stops.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record, causal
from harness.contract.stages import stage, stage_of
from harness.oracle.before import KEPT, Before
from harness.oracle.bounds import (
    APPEAL_THRESHOLD,
    THRESHOLD,
    TIPS,
)
from harness.oracle.columns import Columns, floor_of, noise_of, shown
from harness.oracle.comparable import Comparable
from harness.oracle.fields import merged, unlike_fields, unlike_precisions
from harness.oracle.gap import begins, gap, unequal, worst
from harness.oracle.horizon import Horizon
from harness.oracle.noticed import noticed, shrink
from harness.oracle.ordering import in_order, rank
from harness.oracle.outliers import Outliers
from harness.oracle.relations import Relations
from harness.oracle.rounding import (
    NARROW,
    UNIT32,
    Apart,
    rounded_apart,
    stands_apart,
    unlike_extremes,
)
from harness.oracle.rules import Rule
from harness.oracle.scales import Scales
from harness.oracle.track import Outlier, Recorded, Series, Track
from harness.running.start import SIDES, RunSpec
from harness.verdict import LARGEST, Difference, Kind


class Oracle:
    """Judges the records of one problem as they come; keeps running maxima, first disagreements and the step before."""

    def __init__(self, rule: Rule, *, horizon: bool = True) -> None:
        self.rule = rule
        self.tracks: dict[str, Track] = {}
        self.scales = Scales()
        self.comparable = Comparable(self.tracks, self.scales)
        self.before = Before()
        self.order: list[str] = []
        self.watch = Horizon(watched=horizon, precise=rule.precise)
        self.outliers = Outliers()
        self.structural: Difference | None = None
        self.names: list[str] = []
        self.unskipped: set[int] = set()
        self.series = Series()
        self.recorded, self._now = Recorded(), dict[str, float]()

    def observe(self, step: int, records: Mapping[RunSpec, Record]) -> None:
        """Take the records of one step, of every run of the rule. Nothing of them is kept but small copies."""
        left, right = records[self.rule.left], records[self.rule.right]
        order = self._names(step, records, left, right)
        worst_here = 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            self.scales.measure(left)
            for name in order:
                taken = {spec: record.get(name) for spec, record in records.items()}
                present = {spec: array for spec, array in taken.items() if array is not None}
                if len(present) < len(taken):
                    self._absent(step, name, taken)
                    if present:
                        self._now[name] = LARGEST
                    continue
                columns = self._measured(step, name, self._columns(present))
                if columns:
                    self._now[name] = self._values(step, name, columns)
                    worst_here = max(worst_here, self._now[name])
                else:
                    track = self.tracks[name]
                    self._now[name] = LARGEST * (track.excess == LARGEST and track.excess_step == step)
            self.before.note_uniform(left)
            if step in self.comparable.overflows and not self.before.stood(left):
                self.unskipped.add(step)
            self.recorded.add(self._now)
            self._now = {}
        losses = [track for name, track in self.tracks.items() if stage_of(name) == "loss"]
        self.series.add(
            excess=worst_here,
            noise=max((track.noise for track in losses), default=0.0),
            gap=max((track.relative * track.scale for track in losses), default=0.0),
        )
        self.watch.watch(step, losses)
        self.before.remember(left, right)

    def _columns(self, arrays: Mapping[RunSpec, Array]) -> Columns:
        """One tensor's arrays by their part in the rule."""
        rule = self.rule
        narrow = (arrays[rule.narrow[0]], arrays[rule.narrow[1]]) if rule.narrow else None
        nudged = [tuple(arrays[spec] for spec in rule.nudged if spec.side == side and spec in arrays) for side in SIDES]
        return Columns(arrays[rule.left], arrays[rule.right], narrow, (nudged[0], nudged[1]))

    @property
    def horizon(self) -> int | None:
        """The step from which on nothing is said, if there is one."""
        return self.watch.step

    @property
    def parted(self) -> bool:
        """Whether any tensor has disagreed so far."""
        return self.structural is not None or any(track.first for track in self.tracks.values())

    @property
    def lasting(self) -> list[Outlier]:
        """Where a float32 run stands alone, and not just once; earliest first."""
        places = rank(self._causal())
        found = self.outliers.lasting(self.tracks, self.horizon)
        return sorted(found, key=lambda outlier: (outlier.first.step, places[outlier.first.tensor]))

    @property
    def differences(self) -> list[Difference]:
        """The first disagreement of every tensor that has one, earliest first; past the horizon only what rounding cannot do."""
        found = [track.first for track in self.tracks.values() if track.first]
        if self.structural:
            found.append(self.structural)
        kept = [item for item in found if self.horizon is None or item.step < self.horizon or self._lasting(item)]
        return self.in_order(kept)

    def in_order(self, items: Iterable[Difference]) -> list[Difference]:
        """Differences in the order in which one may have caused the other."""
        return in_order(items, self._causal(), self.tracks, self.structural)

    def _causal(self) -> list[str]:
        """The names of all tensors in causal order."""
        return self.names or causal(list(self.tracks))

    def _lasting(self, item: Difference) -> bool:
        """Whether a disagreement past the horizon is one that no chaos explains."""
        track = self.tracks.get(item.tensor)
        return track is None or item.kind not in ("values", "exact", "not finite") or track.calm

    def apart(self, item: Difference) -> Apart:
        """Which of the runs stands apart in a tensor's first disagreement; see ``stands_apart``."""
        track = self.tracks.get(item.tensor)
        if track is None or item.only_in:
            return "mathematics"
        if not self.rule.precise and self.rule.left.precision == "float64":
            return "below float32" if item.gap <= 64 * UNIT32 * track.scale else "mathematics"
        return track.apart or "mathematics"

    def noticed(self, step: int, left: Record, right: Record, noise: Mapping[str, float]) -> Difference | None:
        """The first disagreement of two records of the judged precision, given the noise of another run; None if none."""
        return noticed(self.rule, step, left, right, noise)

    def _names(self, step: int, records: Mapping[RunSpec, Record], left: Record, right: Record) -> list[str]:
        """The fields that both sides record, in causal order; a field that some run lacks is a disagreement."""
        if list(left) == self.order and all(record.keys() == left.keys() for record in records.values()):
            return self.order
        self.structural = self.structural or unlike_fields(step, left, right)
        for spec in self.rule.narrow:
            wide = left if spec.side == self.rule.left.side else right
            self.structural = self.structural or unlike_precisions(step, spec.side, records[spec], wide)
        if self.structural:
            self.names = merged(records.values())
        self.order = [name for name in causal(list(left)) if name in right]
        self.comparable.carries = any(stage(name).carried for name in self.order)
        return self.order

    def _absent(self, step: int, name: str, taken: Mapping[RunSpec, Array | None]) -> None:
        """A gradient that is None: agreement only if it is None on both sides, and in both precisions."""
        track = self.tracks.setdefault(name, Track())
        if self.structural is None and any(array is not None for array in taken.values()) and track.first is None:
            said = []
            for side in SIDES:
                own = [array is None for spec, array in taken.items() if spec.side == side]
                said.append("None" if all(own) else "None in one precision" if any(own) else "a tensor")
            track.first = Difference(step, stage_of(name), name, "none", torch=said[0], tensorflow=said[1])
            track.excess = LARGEST

    def _measured(self, step: int, name: str, columns: Columns) -> Columns | None:
        """The floating-point arrays whose distance means something; None where there is nothing to measure."""
        self.tracks.setdefault(name, Track()).steps += 1
        if not self.comparable.alike(step, name, columns):
            return None
        if any(array.dtype.kind not in "fc" for array in columns):
            self._whole(step, name, columns)
            return None
        return self.comparable.finite(step, name, columns)

    def _whole(self, step: int, name: str, columns: Columns) -> None:
        """Whole numbers and truth values: the same in the runs that are judged, and in float32 unless rounding tips them.

        Where a unit in the weights tips some of them, as many and a few more may differ.
        """
        track, left, right = self.tracks[name], columns.left, columns.right
        moved = [unequal(left, other) for other in columns.nudged[0]]
        moved += [unequal(right, other) for other in columns.nudged[1]]
        track.tips = max(track.tips, max(moved, default=0))
        if columns.narrow:
            track.noise_torch += bool(gap(columns.narrow[0], left) or gap(columns.narrow[1], right))  # not calm
        apart = unequal(left, right)
        if apart > TIPS * track.tips:
            if track.first is None:
                track.arrays = left.copy(), right.copy()
                track.relations = Relations(name, whole=True)
            track.mark(step, shown(step, name, "exact", left, right))
            if columns.narrow:
                track.apart = "mathematics" if gap(*columns.narrow) else "below float32"
        elif not apart and not self.watch.drifts:
            self.outliers.hear_whole(step, name, track, columns)
        if track.relations is not None:
            track.relations.update(left, right, self.before.both, self.before.params, 0.0)

    def _values(self, step: int, name: str, columns: Columns) -> float:
        """Finite numbers: this step's noise, and whether it explains how far the two sides are apart. Returns the excess."""
        track, left, right, rule = self.tracks[name], columns.left, columns.right, self.rule
        apart, size, shrinks = gap(left, right), self.scales.size[name], shrink(self.rule, left, right)
        here_torch, here_tensorflow, moved = noise_of(columns)
        if rule.left.precision == "float64":
            track.narrow |= {side for side, a in zip(SIDES, (left, right), strict=True) if a.dtype.char in NARROW}
        slow = moved / shrinks * APPEAL_THRESHOLD / THRESHOLD if rule.precise else moved
        track.separate(max(here_torch, 0.0 if rule.precise else moved), here_tensorflow)
        group = self.scales.of_group(name)
        floor = floor_of(name) / UNIT32 * rule.unit * group
        track.remember(max(here_torch, here_tensorflow, slow), size, rule.unit, floor)
        # Zero where everything on the reference's side, and all rounding, is exactly zero.
        allowed = shrinks * track.noise
        excess = min(apart / allowed, LARGEST) if allowed else LARGEST * bool(apart)
        if stage_of(name) == "loss":
            self._now |= {
                f"torch {name}=": float(np.mean(left.real)),
                f"tensorflow {name}=": float(np.mean(right.real)),
            }
            self._now |= {f"gap {name}": apart, f"rounding {name}": allowed}
        if excess > rule.threshold:
            agreed = not any(other.first for other in self.tracks.values())
            if rule.left.precision == "float32" and self.watch.tie(step, name, left, right, agreed=agreed):
                return 0.0
            if rule.precise and "e" in {left.dtype.char, right.dtype.char} and rounded_apart(left, right):
                return 0.0
        if self.horizon is None:
            if excess > track.excess:
                track.excess, track.excess_step = excess, step
            if track.scale:
                track.relative = max(track.relative, min(apart / track.scale, LARGEST))
        if excess > rule.threshold and track.first is None:
            at = worst(left, right)
            # The lowest number of a type stands for minus infinity.
            kind: Kind = "not finite" if any(unlike_extremes(*pair) for pair in columns.pairs) else "values"
            relative = min(apart / track.scale, LARGEST) if track.scale else LARGEST
            track.first = Difference(
                step, stage_of(name), name, kind, at.index, at.left, at.right, apart, relative, excess,
                begins=self._begins(left, right, rule.threshold * allowed, at.index),
            )  # fmt: skip
            track.relations = Relations(name) if left.dtype.kind == "f" else None
            if left.size <= KEPT or not self.before.following:  # to be looked at once more, beside nudged runs
                track.arrays = left.copy(), right.copy()
            self.before.following = True
            if columns.narrow:
                across = gap(*columns.narrow)
                track.apart = stands_apart(
                    apart, here_torch, here_tensorflow, across, track.noise, UNIT32 * track.scale
                )
        elif columns.narrow and track.first is None:
            self.outliers.hear_values(step, name, track, columns, (here_torch, here_tensorflow), apart / rule.shrink)
        if track.relations is not None:
            track.relations.update(left, right, self.before.both, self.before.params, rule.threshold * allowed)
        return excess

    @staticmethod
    def _begins(left: Array, right: Array, tolerance: float, worst: tuple[int, ...]) -> tuple[int, ...]:
        found = begins(left, right, tolerance)
        return found if found != worst else ()

    def start_from(self, weights: Record) -> None:
        """The parameters before the first step, for relations that involve them."""
        self.before.params = {f"params/{name}": array for name, array in weights.items()}
