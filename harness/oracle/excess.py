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

import math
from collections.abc import Iterable, Mapping

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record, causal
from harness.contract.stages import stage, stage_of
from harness.oracle.bounds import (
    APPEAL_THRESHOLD,
    THRESHOLD,
    TIPS,
    WEAKER_THRESHOLD,
)
from harness.oracle.columns import Columns, floor_of, noise_of, shown
from harness.oracle.fields import merged, unlike_fields, unlike_precisions
from harness.oracle.gap import begins, gap, magnitude, unequal, unlike, worst
from harness.oracle.horizon import Horizon
from harness.oracle.outliers import Outliers
from harness.oracle.relations import Relations
from harness.oracle.rounding import (
    FILL,
    NARROW,
    UNIT32,
    UNIT64,
    Apart,
    compared,
    distance,
    rounded_apart,
    stands_apart,
    unlike_extremes,
    unlike_infinities,
)
from harness.oracle.rules import Rule
from harness.oracle.track import FALL, Outlier, Recorded, Series, Track, group_of
from harness.running.start import SIDES, RunSpec
from harness.verdict import LARGEST, Difference, Kind

SAME = 1024.0
"""Numbers of a matrix that are so few units in the last place apart are one and the same."""

KEPT = 1 << 15
"""Elements of an array up to which it is always kept for another look."""


class Oracle:
    """Judges the records of one problem as they come; keeps running maxima, first disagreements and the step before."""

    def __init__(self, rule: Rule, *, horizon: bool = True) -> None:
        self.rule = rule
        self.tracks: dict[str, Track] = {}
        self.group_scale: dict[str, float] = {}
        self.order: list[str] = []
        self.watch = Horizon(watched=horizon, precise=rule.precise)
        self.outliers = Outliers()
        self.blank: dict[str, int] = {}
        self.structural: Difference | None = None
        self.names: list[str] = []
        self.not_finite: Difference | None = None
        self.overflows: dict[int, Difference] = {}
        self.unskipped: set[int] = set()
        self.series = Series()
        self.recorded, self._now = Recorded(), dict[str, float]()
        self._before: Record = {}
        self._size: dict[str, float] = {}
        self._groups: dict[str, str] = {}
        self._previous: tuple[Record, Record] = ({}, {})
        self.following = False
        self.uniform: dict[str, bool] = {}
        self._carries = False

    def observe(self, step: int, records: Mapping[RunSpec, Record]) -> None:
        """Take the records of one step, of every run of the rule. Nothing of them is kept but small copies."""
        left, right = records[self.rule.left], records[self.rule.right]
        order = self._names(step, records, left, right)
        worst_here = 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            self._scales(left)
            for name in order:
                taken = {spec: record.get(name) for spec, record in records.items()}
                present = {spec: array for spec, array in taken.items() if array is not None}
                if len(present) < len(taken):
                    self._absent(step, name, taken)
                    if present:
                        self._now[name] = LARGEST
                    continue
                columns = self._comparable(step, name, self._columns(present))
                if columns:
                    self._now[name] = self._values(step, name, columns)
                    worst_here = max(worst_here, self._now[name])
                else:
                    track = self.tracks[name]
                    self._now[name] = LARGEST * (track.excess == LARGEST and track.excess_step == step)
            self._note_uniform(left)
            if step in self.overflows and not self._stood(left):
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
        self._remember(left, right)

    def _columns(self, arrays: Mapping[RunSpec, Array]) -> Columns:
        """One tensor's arrays by their part in the rule."""
        rule = self.rule
        narrow = (arrays[rule.narrow[0]], arrays[rule.narrow[1]]) if rule.narrow else None
        nudged = [tuple(arrays[spec] for spec in rule.nudged if spec.side == side and spec in arrays) for side in SIDES]
        return Columns(arrays[rule.left], arrays[rule.right], narrow, (nudged[0], nudged[1]))

    def _remember(self, left: Record, right: Record) -> None:
        """Copies for relations with the step before: of small arrays always, of large ones once a difference is followed."""

        def kept(record: Record) -> Record:
            return {
                name: None if array is None else array.copy()
                for name, array in record.items()
                if array is None or self.following or array.size <= KEPT
            }

        self._previous = kept(left), kept(right)
        params = {name: array for name, array in self._previous[0].items() if stage_of(name) == "params"}
        self._before = params or self._before

    def _stood(self, left: Record) -> bool:
        """Whether the parameters are those of the step before, as in a step that is skipped."""
        before = {name: array for name, array in self._before.items() if array is not None}
        now = {name: array for name, array in left.items() if array is not None and name in before}
        return bool(now) and all(np.array_equal(before[name], array) for name, array in now.items())

    def _note_uniform(self, left: Record) -> None:
        """Which matrices have held one number only at every step so far."""
        for name, array in left.items():
            if stage_of(name) == "params" and array is not None and self.uniform.get(name, True):
                self.uniform[name] = is_uniform(array)

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
        rank = self._rank()
        found = self.outliers.lasting(self.tracks, self.horizon)
        return sorted(found, key=lambda outlier: (outlier.first.step, rank[outlier.first.tensor]))

    @property
    def differences(self) -> list[Difference]:
        """The first disagreement of every tensor that has one, earliest first; past the horizon only what rounding cannot do."""
        found = [track.first for track in self.tracks.values() if track.first]
        if self.structural:
            found.append(self.structural)
        kept = [item for item in found if self.horizon is None or item.step < self.horizon or self._lasting(item)]
        return self.in_order(kept)

    def in_order(self, items: Iterable[Difference]) -> list[Difference]:
        """Differences by step and causal order; of one stage a count before any array, and a field that is not there first."""
        rank = self._rank()
        starts: dict[str, int] = {}
        for name, place in rank.items():
            starts.setdefault(stage_of(name), place)

        def key(item: Difference) -> tuple[int, int, bool, int]:
            track, place = self.tracks.get(item.tensor), rank.get(item.tensor, len(rank))
            tells = item is self.structural or (track is not None and track.counts)
            return item.step, starts.get(item.stage, place), not tells, place

        return sorted(items, key=key)

    def _rank(self) -> dict[str, int]:
        """The place of every tensor in causal order."""
        return {name: place for place, name in enumerate(self.names or causal(list(self.tracks)))}

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
        for name in causal(list(left)):
            a, b = left[name], right.get(name)
            if a is None or b is None:
                if a is not b:
                    return Difference(step, stage_of(name), name, "none")
                continue
            if unlike(a, b):
                return Difference(step, stage_of(name), name, "shape")
            if (a.dtype.kind in "fc") and not np.isfinite(a).all():
                if not (np.isfinite(a) == np.isfinite(b)).all() or unlike_infinities(a, b):
                    return Difference(step, stage_of(name), name, "not finite")
                a, b = (np.where(np.isfinite(array), array, 0) for array in (a, b))
            apart = distance(a, b)
            if a.dtype.kind not in "fc":
                if apart:
                    return Difference(step, stage_of(name), name, "exact")
                continue
            allowed = self._shrink(a, b) * noise.get(name, 0.0)
            excess = LARGEST if math.isnan(apart) else apart / allowed if allowed else LARGEST * bool(apart)
            if excess > self.rule.threshold:
                return Difference(step, stage_of(name), name, "values", excess=min(excess, LARGEST), gap=apart)
        return None

    def _shrink(self, left: Array, right: Array) -> float:
        """By how much rounding shrinks from the runs that measure noise to those that are judged.

        Not at all where a tensor is recorded in float32; what is returned there makes the threshold the weaker rule's.
        """
        if self.rule.precise and {left.dtype.char, right.dtype.char} & NARROW:
            return WEAKER_THRESHOLD / THRESHOLD
        return self.rule.shrink

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
        self._carries = any(stage(name).carried for name in self.order)
        return self.order

    def _scales(self, left: Record) -> None:
        """How large every tensor is, and the largest of every group, before any of them is judged."""
        now: dict[str, float] = {}
        self._size = {}
        for name, array in left.items():
            if array is None or array.dtype.kind not in "fc":
                continue
            size = self._size[name] = magnitude(array)
            if name not in self._groups:
                self._groups[name] = group_of(name, left)
            if group := self._groups[name]:
                now[group] = max(now.get(group, 0.0), size if math.isfinite(size) else finite_magnitude(array))
        for group, size in now.items():
            self.group_scale[group] = max(size, self.group_scale.get(group, 0.0) / FALL)

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

    def _comparable(self, step: int, name: str, columns: Columns) -> Columns | None:
        """The floating-point arrays whose distance means something; None where there is nothing to measure."""
        track = self.tracks.setdefault(name, Track())
        track.steps += 1
        if reason := next((said for a, b in columns.pairs if (said := unlike(a, b))), None):
            kind, of_torch, of_tensorflow = reason
            found = Difference(step, stage_of(name), name, kind, torch=of_torch, tensorflow=of_tensorflow)
            self._mark(step, track, found)
            return None
        if any(array.shape != columns.left.shape for array in columns):
            other = next(array for array in columns if array.shape != columns.left.shape)
            kinds = ("float32", "float64") if columns.narrow else ("the run nudged", "the run")
            shapes = f"{other.shape} in {kinds[0]}, {columns.left.shape} in {kinds[1]}"
            self._mark(step, track, Difference(step, stage_of(name), name, "shape", torch=shapes, tensorflow=shapes))
            return None
        if any(array.dtype.kind not in "fc" for array in columns):
            self._whole(step, name, columns)
            return None
        return self._finite(step, name, columns)

    def _finite(self, step: int, name: str, columns: Columns) -> Columns | None:
        """The arrays, or of each the elements that are neither a fill value nor NaN; None where that is no number either."""
        known = stage(name)
        if not known.trained and not self._size[name] < FILL:  # NaN is not below
            same = compared(columns.pairs)
            if same is not None:
                columns = columns.each(lambda array, _: np.where(same, 0, array))
            self._size[name] = magnitude(columns.left)
        if all(np.isfinite(array).all() for array in columns):
            return columns
        for a, b in columns.pairs:
            if np.isfinite(a).all() and np.isfinite(b).all():
                continue
            if not (np.isfinite(a) == np.isfinite(b)).all() or unlike_infinities(a, b):
                self._mark(step, self.tracks[name], shown(step, name, "not finite", a, b))
                return None
            if known.finite and (known.carried or not self._carries):
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
                self._size[name] = magnitude(columns.left)
        # A float32 or nudged run that is no number measures no noise; what is judged is judged without it.
        return columns.each(lambda array, own: np.where(np.isfinite(array), array, own))

    def _mark(self, step: int, track: Track, found: Difference) -> None:
        """Remember what is no matter of degree."""
        track.excess, track.excess_step = LARGEST, step
        track.first = track.first or found

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
            self._mark(step, track, shown(step, name, "exact", left, right))
            if columns.narrow:
                track.apart = "mathematics" if gap(*columns.narrow) else "below float32"
        elif not apart and not self.watch.drifts:
            self.outliers.hear_whole(step, name, track, columns)
        if track.relations is not None:
            track.relations.update(left, right, self._previous, self._before, 0.0)

    def _values(self, step: int, name: str, columns: Columns) -> float:
        """Finite numbers: this step's noise, and whether it explains how far the two sides are apart. Returns the excess."""
        track, left, right, rule = self.tracks[name], columns.left, columns.right, self.rule
        apart, size, shrink = gap(left, right), self._size[name], self._shrink(left, right)
        here_torch, here_tensorflow, moved = noise_of(columns)
        if rule.left.precision == "float64":
            track.narrow |= {side for side, a in zip(SIDES, (left, right), strict=True) if a.dtype.char in NARROW}
        slow = moved / shrink * APPEAL_THRESHOLD / THRESHOLD if rule.precise else moved
        track.separate(max(here_torch, 0.0 if rule.precise else moved), here_tensorflow)
        group = self.group_scale.get(self._groups.get(name, ""), 0.0)
        floor = floor_of(name) / UNIT32 * rule.unit * group
        track.remember(max(here_torch, here_tensorflow, slow), size, rule.unit, floor)
        # Zero where everything on the reference's side, and all rounding, is exactly zero.
        allowed = shrink * track.noise
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
            if left.size <= KEPT or not self.following:  # to be looked at once more, beside nudged runs
                track.arrays = left.copy(), right.copy()
            self.following = True
            if columns.narrow:
                across = gap(*columns.narrow)
                track.apart = stands_apart(
                    apart, here_torch, here_tensorflow, across, track.noise, UNIT32 * track.scale
                )
        elif columns.narrow and track.first is None:
            self.outliers.hear_values(step, name, track, columns, (here_torch, here_tensorflow), apart / rule.shrink)
        if track.relations is not None:
            track.relations.update(left, right, self._previous, self._before, rule.threshold * allowed)
        return excess

    @staticmethod
    def _begins(left: Array, right: Array, tolerance: float, worst: tuple[int, ...]) -> tuple[int, ...]:
        found = begins(left, right, tolerance)
        return found if found != worst else ()

    def start_from(self, weights: Record) -> None:
        """The parameters before the first step, for relations that involve them."""
        self._before = {f"params/{name}": array for name, array in weights.items()}


def finite_magnitude(array: Array) -> float:
    """max|array| over its finite elements; 0 if there are none."""
    return magnitude(array[np.isfinite(array)])


def is_uniform(array: Array) -> bool:
    """Whether a matrix holds one number only, up to a few units in its last place."""
    if array.dtype.kind != "f" or array.ndim < 2 or array.size < 2:
        return False
    unit = UNIT64 if array.dtype == np.float64 else UNIT32
    return float(np.ptp(array)) <= SAME * unit * float(np.abs(array).max())
