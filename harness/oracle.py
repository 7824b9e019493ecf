"""The oracle: rounding shrinks, mistakes do not.

One problem is run by torch and TensorFlow in float32 and in float64. What separates a float32 run from the float64 run
of the same framework is rounding, measured on this very problem: cancellation, amplification and all. Going from
float32 to float64 divides rounding by 2**29. A difference in the mathematics is divided by nothing. So

    noise  = max(|t32 - t64|, |f32 - f64|, 2**-24 |t64|)     per tensor, the largest so far
    excess = |f64 - t64| / (2**-29 noise)

is near 1 where only rounding separates torch (t) from TensorFlow (f), and a million or more where they compute
different things. Nobody has to say how large a loss or a gradient is, or how badly conditioned.

Where one side cannot run in float64, runs of one precision have to do: torch, torch with every weight moved by one unit
in the last place, up or down by several draws, and TensorFlow. That sees only what is larger than rounding, so it is the
weaker rule. What a loop rounds to bfloat16 or float16 may come out one unit apart where both are right, if the number lay
halfway between two; there the verdict stops.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.arrays import Record, causal, stage_of
from harness.compare import Worst, gap, magnitude, unlike, worst
from harness.recipes import Array
from harness.relations import Relations
from harness.verdict import LARGEST, Cause, Difference, Rule

THRESHOLD = 1000.0
"""An excess above this is a difference. Valid ports stay below 100, mistakes begin at a million: the README's evidence."""

WEAKER_THRESHOLD = 100.0
"""The same for the weaker rule, which compares with one run's rounding and not with two precisions."""

NARROW = "efF"
"""Codes of the types that hold float32 or less."""
SHRINK = 2.0**-29
UNIT32 = 2.0**-24
UNIT64 = 2.0**-53
STAGE_FLOOR = 2.0**-28
"""Noise is never taken to be less than this part of the largest tensor of a stage: a gradient that is zero in exact
arithmetic may come out as exactly 0 on one side and as a rounded sum of large numbers on the other."""
SATURATION = 0.01
"""Float32 has lost the trajectory once its noise in the loss is this part of the loss's scale: the horizon."""
SHORT = {"bfloat16": (0xFFFF, 2.0**-7), "float16": (0x1FFF, 2.0**-10)}
"""Types shorter than float32: the bits of a float32 that they lack, and the distance of two neighbours, relatively."""
FEW = 1 / 8
"""Part of a tensor's elements that may be rounded the other way because of numbers that lay halfway between two."""
GROSS = 0.01
"""A float32 run this far, relatively, from its float64 run in the very first step is another computation."""


LONGEST = 400
"""Points in a series; a longer run has the largest value of every stretch of steps, so that memory does not grow."""


@dataclass
class Track:
    """What is kept of one tensor: running maxima, and its first disagreement."""

    noise_torch: float = 0.0
    noise_tensorflow: float = 0.0
    scale: float = 0.0
    noise: float = 0.0
    excess: float = 0.0
    excess_step: int = 0
    relative: float = 0.0
    first: Difference | None = None
    apart: str = ""
    relations: Relations | None = None
    floats: set[str] = field(default_factory=set)
    narrow: set[str] = field(default_factory=set)

    @property
    def cause(self) -> Cause | None:
        """The relation that explains the disagreement at every step; None for none."""
        return self.relations.kind if self.relations else None


class Oracle:
    """Judges the records of one problem as they come; keeps running maxima and first disagreements, nothing else."""

    def __init__(self, rule: Rule, *, horizon: bool = True) -> None:
        self.rule = rule
        self.threshold = THRESHOLD if rule == "four runs" else WEAKER_THRESHOLD
        self.tracks: dict[str, Track] = {}
        self.stage_scale: dict[str, float] = {}
        self.order: list[str] = []
        self.steps = 0
        self.horizon: int | None = None
        self.horizon_why = ""
        self.watches_horizon = horizon
        self.ties: list[tuple[int, str, str]] = []
        self.structural: Difference | None = None
        self.not_finite: Difference | None = None
        self.series: dict[str, list[float]] = {"excess": [], "noise": [], "gap": []}
        self._stretch, self._stride = 0, 1
        self._before: Record | None = None
        self._previous: tuple[Record, Record] | None = None

    def observe(self, step: int, records: Sequence[Record]) -> None:
        """Take the records of one step: (t32, t64, f32, f64), or (torch, torch nudged ..., tensorflow) for a weaker rule."""
        left, right = (records[1], records[3]) if self.rule == "four runs" else (records[0], records[-1])
        order = self._names(step, left, right)
        self.steps = step + 1
        if order is None:
            return
        worst_here = 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            for name in order:
                columns = [record.get(name) for record in records]
                if any(column is None for column in columns):
                    self._absent(step, name, columns)
                    continue
                arrays: list[Array] = [column for column in columns if column is not None]
                if self._incomparable(step, name, arrays):
                    continue
                worst_here = max(worst_here, self._values(step, name, arrays))
        self._series(worst_here)
        self._watch(step)
        self._previous = (left, right)

    @property
    def last(self) -> Record:
        """The reference's record of the last step that was judged."""
        return self._previous[0] if self._previous else {}

    @property
    def differences(self) -> list[Difference]:
        """The first disagreement of every tensor that has one, before the horizon, earliest first."""
        rank = {name: i for i, name in enumerate(self.order)}
        found = [track.first for track in self.tracks.values() if track.first]
        if self.structural:
            found.append(self.structural)
        kept = [item for item in found if self.horizon is None or item.step < self.horizon]
        return sorted(kept, key=lambda item: (item.step, rank.get(item.tensor, len(rank))))

    def apart(self, item: Difference) -> str:
        """Which of the runs stands apart in a tensor's first disagreement; see ``stands_apart``."""
        track = self.tracks.get(item.tensor)
        if track is None:
            return "mathematics"
        if self.rule == "nudged float64":
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
            distance = gap(a, b)
            if a.dtype.kind not in "fc":
                if distance:
                    return Difference(step, stage_of(name), name, "exact")
                continue
            allowed = (shrinking(a, b) if self.rule == "four runs" else 1.0) * noise.get(name, 0.0)
            excess = LARGEST if math.isnan(distance) else distance / allowed if allowed else LARGEST * bool(distance)
            if excess > self.threshold:
                return Difference(step, stage_of(name), name, "values", excess=min(excess, LARGEST), gap=distance)
        return None

    def _names(self, step: int, left: Record, right: Record) -> list[str] | None:
        if list(left) == self.order and left.keys() == right.keys():
            return self.order
        if left.keys() == right.keys():
            self.order = causal(list(left))
            return self.order
        missing = [name for name in left if name not in right]
        extra = [name for name in right if name not in left]
        name = causal([*missing, *extra])[0]
        kind = "missing" if name in left else "extra"
        near = difflib.get_close_matches(name, extra if kind == "missing" else missing, n=1)
        hint = f" (which recorded {near[0]})" if near else ""
        here = Difference(step, stage_of(name), name, kind)
        here = replace(here, tensorflow=hint) if kind == "missing" else replace(here, torch=hint)
        self.structural = self.structural or here
        both = [name for name in causal(list(left)) if name in right]
        self.order = both
        return both

    def _absent(self, step: int, name: str, columns: Sequence[Array | None]) -> None:
        """A gradient that is None: agreement only if it is None on both sides, and in both precisions."""
        track = self.tracks.setdefault(name, Track())
        if any(column is not None for column in columns) and track.first is None:
            half = 2 if self.rule == "four runs" else -1
            said = [
                "None" if all(column is None for column in side)
                else "None in one precision" if any(column is None for column in side)
                else "a tensor"
                for side in (columns[:half], columns[half:])
            ]  # fmt: skip
            track.first = Difference(step, stage_of(name), name, "none", torch=said[0], tensorflow=said[1])
            track.excess = LARGEST

    def _incomparable(self, step: int, name: str, arrays: list[Array]) -> bool:
        """Note whatever makes a tensor's values not worth measuring; whether there was any such thing."""
        track = self.tracks.setdefault(name, Track())
        both = (
            [(arrays[0], arrays[2]), (arrays[1], arrays[3])] if self.rule == "four runs" else [(arrays[0], arrays[-1])]
        )
        left, right = both[-1]
        found: Difference | None = None
        if reason := next((said for a, b in reversed(both) if (said := unlike(a, b))), None):
            kind, of_torch, of_tensorflow = reason
            found = Difference(step, stage_of(name), name, kind, torch=of_torch, tensorflow=of_tensorflow)
        elif any(array.shape != arrays[0].shape for array in arrays):
            kinds = ("float32", "float64") if self.rule == "four runs" else ("the run", "the run nudged")
            shapes = f"{arrays[0].shape} in {kinds[0]}, {arrays[1].shape} in {kinds[1]}"
            found = Difference(step, stage_of(name), name, "shape", torch=shapes, tensorflow=shapes)
        elif left.dtype.kind not in "fc":
            if not gap(left, right):
                return True
            found = _at(step, name, "exact", left, right)
        else:
            for a, b in reversed(both):
                if np.isfinite(a).all() and np.isfinite(b).all():
                    continue
                here = _at(step, name, "not finite", a, b)
                if (np.isfinite(a) == np.isfinite(b)).all() and not opposite(a, b):
                    self.not_finite = self.not_finite or here
                    return True
                found = here
                break
        if found is not None:
            track.excess, track.excess_step = LARGEST, step
            track.first = track.first or found
        return found is not None

    def _values(self, step: int, name: str, arrays: list[Array]) -> float:
        track, stage = self.tracks[name], stage_of(name)
        if self.rule == "four runs":
            t32, t64, f32, f64 = arrays
            here_torch, here_tensorflow = gap(t32, t64), gap(f32, f64)
            left, right, unit, shrink = t64, f64, UNIT32, shrinking(t64, f64)
            if shrink > SHRINK:
                track.narrow |= {side for side, a in (("torch", t64), ("tensorflow", f64)) if a.dtype.char in NARROW}
        else:
            left, *nudged, right = arrays
            here_torch, here_tensorflow = max(gap(left, other) for other in nudged), 0.0
            unit, shrink = (UNIT32 if self.rule == "nudged float32" else UNIT64), 1.0
        distance = gap(left, right)
        track.floats |= {str(left.dtype), str(right.dtype)}
        track.noise_torch = max(track.noise_torch, here_torch)
        track.noise_tensorflow = max(track.noise_tensorflow, here_tensorflow)
        track.scale = max(track.scale, magnitude(left))
        self.stage_scale[stage] = max(self.stage_scale.get(stage, 0.0), track.scale)
        floor = max(unit * track.scale, STAGE_FLOOR / UNIT32 * unit * self.stage_scale[stage])
        track.noise = max(track.noise, track.noise_torch, track.noise_tensorflow, floor)
        # Zero where everything on the reference's side, and all rounding, is exactly zero.
        allowed = shrink * track.noise
        excess = min(distance / allowed, LARGEST) if allowed else LARGEST * bool(distance)
        if self.rule == "nudged float32" and excess > self.threshold and self._tie(step, name, left, right):
            return 0.0
        if self.horizon is None:
            if excess > track.excess:
                track.excess, track.excess_step = excess, step
            if track.scale:
                track.relative = max(track.relative, min(distance / track.scale, LARGEST))
        if excess > self.threshold and track.first is None:
            at = worst(left, right)
            relative = min(distance / track.scale, LARGEST) if track.scale else LARGEST
            track.first = Difference(
                step, stage, name, "values", at.index, at.left, at.right, distance, relative, excess
            )
            track.relations = Relations(name)
            if self.rule == "four runs":
                across = gap(arrays[0], arrays[2])
                track.apart = stands_apart(
                    distance, here_torch, here_tensorflow, across, track.noise, UNIT32 * track.scale
                )
        if (
            step == 0
            and stage in ("outputs", "loss")
            and self.rule == "four runs"
            and track.first is None
            and track.scale
        ):
            self._gross(name, arrays, here_torch, here_tensorflow)
        if track.relations is not None and self._previous is not None:
            track.relations.update(
                left, right, self._previous, self._before or {}, self.threshold * shrink * track.noise
            )
        elif track.relations is not None:
            track.relations.update(left, right, ({}, {}), self._before or {}, self.threshold * shrink * track.noise)
        return excess

    def _tie(self, step: int, name: str, left: Array, right: Array) -> bool:
        """Whether a number halfway between two of a short type was rounded the other way, in this step and nothing before it.

        From then on the two runs part, and both are right: the horizon, or with every step by itself the end of this step.
        """
        if self.ties and self.ties[-1][0] == step:
            return True
        kind = rounded_apart(left, right)
        if not kind or self.horizon is not None or any(track.first for track in self.tracks.values()):
            return False
        self.ties.append((step, name, kind))
        if self.watches_horizon:
            self.horizon = step
            self.horizon_why = f"{name} holds a number halfway between two of {kind}, which was rounded the other way"
        return True

    def _gross(self, name: str, arrays: list[Array], here_torch: float, here_tensorflow: float) -> None:
        """The float64 runs agree, but in the first step a float32 run is far from both: not the loop that is deployed.

        Only for what goes forward: a relu that rounding tips changes gradients by as much, and is no mistake.
        """
        track = self.tracks[name]
        if max(here_torch, here_tensorflow) > GROSS * track.scale > 100 * min(here_torch, here_tensorflow):
            at = worst(arrays[0], arrays[2])
            track.first = Difference(
                0, stage_of(name), name, "values", at.index, f"{at.left} (float32)", f"{at.right} (float32)",
                gap(arrays[0], arrays[2]), max(here_torch, here_tensorflow) / track.scale,
                max(here_torch, here_tensorflow) / (UNIT32 * track.scale),
            )  # fmt: skip
            track.apart = "mathematics"

    def start_from(self, weights: Record) -> None:
        """The parameters before the first step, for relations that involve them."""
        self._before = {f"params/{name}": array for name, array in weights.items()}

    def parameters_after(self, record: Record) -> None:
        """The reference's parameters after a step, for the next one."""
        self._before = {name: array for name, array in record.items() if stage_of(name) == "params"} or self._before

    def _series(self, excess: float) -> None:
        """For the plot: the largest excess, and the loss's noise and gap, of every step or stretch of steps."""
        losses = [track for name, track in self.tracks.items() if stage_of(name) == "loss"]
        now = {
            "excess": excess,
            "noise": max((track.noise for track in losses), default=0.0),
            "gap": max((track.relative * track.scale for track in losses), default=0.0),
        }
        for name, value in now.items():
            values = self.series[name]
            if self._stretch % self._stride:
                values[-1] = max(values[-1], value)
            else:
                if len(values) == LONGEST:
                    values[:] = [max(pair) for pair in zip(values[::2], values[1::2], strict=True)]
                values.append(value)
        if self._stretch % self._stride == 0 and self._stretch == LONGEST * self._stride:
            self._stride *= 2
        self._stretch += 1

    def _watch(self, step: int) -> None:
        """Set the horizon to the first step at which rounding alone has taken the loss away."""
        if self.horizon is not None or not self.watches_horizon:
            return
        for name, track in self.tracks.items():
            if stage_of(name) == "loss" and track.noise > SATURATION * track.scale > 0:
                self.horizon = step
                self.horizon_why = "rounding alone changes the loss by more than 1 %"


def _at(step: int, name: str, kind: str, left: Array, right: Array) -> Difference:
    """A disagreement with the element that shows it; one that is not finite comes first."""
    element = worst(left, right)
    if kind == "not finite" and (np.isfinite(left) == np.isfinite(right)).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(left))[0])
        element = Worst(index, repr(left[index].item()), repr(right[index].item()))
    return Difference(step, stage_of(name), name, kind, element.index, element.left, element.right)


def shrinking(left: Array, right: Array) -> float:
    """By how much rounding shrinks from the float32 runs to these; where a tensor is recorded in float32, not at all.

    There the threshold is the weaker rule's.
    """
    narrow = left.dtype.char in NARROW or right.dtype.char in NARROW
    return WEAKER_THRESHOLD / THRESHOLD if narrow else SHRINK


def rounded_apart(left: Array, right: Array) -> str:
    """The short type of which both arrays hold values only, few of them apart and none by more than a unit; else ""."""
    if left.dtype != np.float32 or right.dtype != np.float32:
        return ""
    if (left != right).sum() > max(1, FEW * left.size):
        return ""
    for kind, (lacking, unit) in SHORT.items():
        if any((np.ascontiguousarray(array).view(np.uint32) & lacking).any() for array in (left, right)):
            continue
        # A number that was rounded the other way inside shows in sums of it, up to a unit of the largest.
        if gap(left, right) <= unit * magnitude(left):
            return kind
    return ""


def opposite(left: Array, right: Array) -> bool:
    """Whether the two sides hold infinities of different signs in one place."""
    return left.dtype.kind == "f" and bool((np.isinf(left) & np.isinf(right) & (left != right)).any())


def stands_apart(distance: float, torch: float, tensorflow: float, across: float, noise: float, unit: float) -> str:
    """Which of the four runs is away from the other three, from the six gaps between them.

    distance: |f64 - t64|; torch: |t32 - t64|; tensorflow: |f32 - f64|; across: |f32 - t32|; noise: what rounding explains
    in float32; unit: one float32 rounding of the largest element.
    "mathematics": the frameworks differ in both precisions; "tensorflow float64" and "torch float64": that run alone;
    "below float32": too small for float32 to show, a float32 leak or a tiny difference in the mathematics.
    """
    if distance > 8 * noise:
        return "mathematics"
    if tensorflow > 64 * max(torch, across, unit) and tensorflow > distance / 4:
        return "tensorflow float64"
    if torch > 64 * max(tensorflow, across, unit) and torch > distance / 4:
        return "torch float64"
    return "below float32"
