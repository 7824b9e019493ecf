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
from collections.abc import Mapping, Sequence

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record, causal, stage_of
from harness.oracle.bounds import (
    APPEAL_THRESHOLD,
    BETTER,
    DRIFT,
    GROSS,
    MEMORY,
    NEAR,
    SATURATION,
    SEVERAL,
    STAGE_FLOOR,
    THRESHOLD,
    TIED,
    TIPS,
    WEAKER_THRESHOLD,
)
from harness.oracle.fields import unlike_fields, unlike_precisions
from harness.oracle.gap import Worst, gap, magnitude, unequal, unlike, worst
from harness.oracle.relations import Relations
from harness.oracle.rounding import (
    FILL,
    NARROW,
    SHRINK,
    UNIT32,
    UNIT64,
    compared,
    distance,
    rounded_apart,
    stands_apart,
    unlike_infinities,
)
from harness.oracle.track import FALL, Lonely, Series, Track, group_of
from harness.verdict import LARGEST, Difference, Rule

DEPLOYED = ("batch", "outputs", "loss", "lr", "params", "buffers", "metrics")
"""Stages in which a float32 run may stand alone: a relu that rounding tips changes gradients by as much, for a step."""
UNTIED = ("batch", "loss", "lr", "metrics")
"""Stages in which a number of bfloat16 or float16 is not taken to be rounded the other way: counts and rates look alike."""
TRAINED = ("loss", "grads", "clipped", "slots", "params", "buffers")
"""Stages in which infinity is never a fill value, and NaN never a number that is not there yet."""


class Oracle:
    """Judges the records of one problem as they come; keeps running maxima, first disagreements and the step before."""

    def __init__(self, rule: Rule, *, horizon: bool = True) -> None:
        self.rule = rule
        self.threshold = THRESHOLD if rule == "four runs" else WEAKER_THRESHOLD
        self.tracks: dict[str, Track] = {}
        self.group_scale: dict[str, float] = {}
        self.order: list[str] = []
        self.horizon: int | None = None
        self.horizon_why = ""
        self.drifts = False
        self.watches_horizon = horizon
        self.ties: list[tuple[int, str]] = []
        self.lonely: dict[tuple[str, str], Lonely] = {}
        self.blank: dict[str, int] = {}
        self.structural: Difference | None = None
        self.not_finite: Difference | None = None
        self.series = Series()
        self._before: Record = {}
        self._size: dict[str, float] = {}
        self._groups: dict[str, str] = {}
        self._previous: tuple[Record, Record] = ({}, {})

    def observe(self, step: int, records: Sequence[Record]) -> None:
        """Take the records of one step: (t32, t64, f32, f64), or (torch, torch nudged ..., tensorflow) for a weaker rule.

        On appeal, as many further runs of torch and of TensorFlow, nudged and in float64, come after the four.
        """
        left, right = (records[1], records[3]) if self.rule == "four runs" else (records[0], records[-1])
        order = self._names(step, records, left, right)
        worst_here = 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            self._scales(left)
            for name in order:
                columns = [record.get(name) for record in records]
                if any(column is None for column in columns):
                    self._absent(step, name, columns)
                    continue
                arrays = self._comparable(step, name, [column for column in columns if column is not None])
                if arrays:
                    worst_here = max(worst_here, self._values(step, name, arrays))
        losses = [track for name, track in self.tracks.items() if stage_of(name) == "loss"]
        self.series.add(
            excess=worst_here,
            noise=max((track.noise for track in losses), default=0.0),
            gap=max((track.relative * track.scale for track in losses), default=0.0),
        )
        self._watch(step, losses)
        self._previous = (left, right)
        self._before = {name: array for name, array in left.items() if stage_of(name) == "params"} or self._before

    @property
    def last(self) -> Record:
        """The reference's record of the last step that was judged."""
        return self._previous[0]

    @property
    def differences(self) -> list[Difference]:
        """The first disagreement of every tensor that has one, earliest first; past the horizon only what rounding cannot do."""
        rank = self._rank()
        found = [track.first for track in self.tracks.values() if track.first]
        if self.structural:
            found.append(self.structural)
        kept = [item for item in found if self.horizon is None or item.step < self.horizon or self._lasting(item)]
        return sorted(kept, key=lambda item: (item.step, rank.get(item.tensor, len(rank))))

    def _rank(self) -> dict[str, int]:
        """The place of every tensor in causal order."""
        return {name: place for place, name in enumerate(causal(list(self.tracks)))}

    def _lasting(self, item: Difference) -> bool:
        """Whether a disagreement past the horizon is one that no chaos explains."""
        track = self.tracks.get(item.tensor)
        return track is None or item.kind not in ("values", "exact", "not finite") or track.calm

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
            between = distance(a, b)
            if a.dtype.kind not in "fc":
                if between:
                    return Difference(step, stage_of(name), name, "exact")
                continue
            allowed = self._shrink(a, b) * noise.get(name, 0.0)
            excess = LARGEST if math.isnan(between) else between / allowed if allowed else LARGEST * bool(between)
            if excess > self.threshold:
                return Difference(step, stage_of(name), name, "values", excess=min(excess, LARGEST), gap=between)
        return None

    def _shrink(self, left: Array, right: Array) -> float:
        """By how much rounding shrinks from the runs that measure noise to those that are judged.

        Not at all where a tensor is recorded in float32; what is returned there makes the threshold the weaker rule's.
        """
        if self.rule != "four runs":
            return 1.0
        return WEAKER_THRESHOLD / THRESHOLD if {left.dtype.char, right.dtype.char} & NARROW else SHRINK

    def _names(self, step: int, records: Sequence[Record], left: Record, right: Record) -> list[str]:
        """The fields that both sides record, in causal order; a field that some run lacks is a disagreement."""
        if list(left) == self.order and all(record.keys() == left.keys() for record in records):
            return self.order
        self.structural = self.structural or unlike_fields(step, left, right)
        if self.rule == "four runs":
            t32, t64, f32, f64, *_ = records
            one = unlike_precisions(step, "torch", t32, t64) or unlike_precisions(step, "tensorflow", f32, f64)
            self.structural = self.structural or one
        self.order = [name for name in causal(list(left)) if name in right]
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
                now[group] = max(now.get(group, 0.0), size)
        for group, size in now.items():
            self.group_scale[group] = max(size, self.group_scale.get(group, 0.0) / FALL)

    def _absent(self, step: int, name: str, columns: Sequence[Array | None]) -> None:
        """A gradient that is None: agreement only if it is None on both sides, and in both precisions."""
        track = self.tracks.setdefault(name, Track())
        if self.structural is None and any(column is not None for column in columns) and track.first is None:
            half = 2 if self.rule == "four runs" else -1
            said = [
                "None" if all(column is None for column in side)
                else "None in one precision" if any(column is None for column in side)
                else "a tensor"
                for side in (columns[:half], columns[half:])
            ]  # fmt: skip
            track.first = Difference(step, stage_of(name), name, "none", torch=said[0], tensorflow=said[1])
            track.excess = LARGEST

    @property
    def _both(self) -> list[tuple[int, int]]:
        """Which records are the two sides' of one precision; the last is what is judged."""
        return [(0, 2), (1, 3)] if self.rule == "four runs" else [(0, -1)]

    def _comparable(self, step: int, name: str, arrays: list[Array]) -> list[Array]:
        """The floating-point arrays whose distance means something; none where there is nothing to measure."""
        track = self.tracks.setdefault(name, Track())
        track.steps += 1
        if reason := next((said for i, j in reversed(self._both) if (said := unlike(arrays[i], arrays[j]))), None):
            kind, of_torch, of_tensorflow = reason
            self._mark(
                step, track, Difference(step, stage_of(name), name, kind, torch=of_torch, tensorflow=of_tensorflow)
            )
            return []
        if any(array.shape != arrays[0].shape for array in arrays):
            kinds = ("float32", "float64") if self.rule == "four runs" else ("the run", "the run nudged")
            shapes = f"{arrays[0].shape} in {kinds[0]}, {arrays[1].shape} in {kinds[1]}"
            self._mark(step, track, Difference(step, stage_of(name), name, "shape", torch=shapes, tensorflow=shapes))
            return []
        if any(array.dtype.kind not in "fc" for array in arrays):
            self._whole(step, name, arrays)
            return []
        return self._finite(step, name, arrays)

    def _finite(self, step: int, name: str, arrays: list[Array]) -> list[Array]:
        """The arrays, or of each the elements that are neither a fill value nor NaN; none where that is no number either."""
        if stage_of(name) not in TRAINED and not self._size[name] < FILL:  # NaN is not below
            arrays = compared(arrays, self._both)
            self._size[name] = magnitude(arrays[self._both[-1][0]])
        if all(np.isfinite(array).all() for array in arrays):
            return arrays
        for i, j in reversed(self._both):
            a, b = arrays[i], arrays[j]
            if np.isfinite(a).all() and np.isfinite(b).all():
                continue
            if not (np.isfinite(a) == np.isfinite(b)).all() or unlike_infinities(a, b):
                self._mark(step, self.tracks[name], _at(step, name, "not finite", a, b))
                return []
            if stage_of(name) in (*TRAINED, "batch", "outputs"):
                self.not_finite = self.not_finite or _at(step, name, "not finite", a, b)
                return []
            self.blank.setdefault(name, step)
            if (i, j) == self._both[-1]:
                there = np.isfinite(a)
                arrays = [np.where(there, array, 0) for array in arrays]
                self._size[name] = magnitude(arrays[i])
        left, right = (arrays[i] for i in self._both[-1])
        # A float32 or nudged run that is no number measures no noise; what is judged is judged without it.
        if self.rule == "four runs":
            half = len(arrays) // 2 - 2
            ours = [left, left, right, right, *[left] * half, *[right] * half]
        else:
            ours = [*[left] * (len(arrays) - 1), right]
        return [np.where(np.isfinite(array), array, own) for array, own in zip(arrays, ours, strict=True)]

    def _mark(self, step: int, track: Track, found: Difference) -> None:
        """Remember what is no matter of degree."""
        track.excess, track.excess_step = LARGEST, step
        track.first = track.first or found

    def _whole(self, step: int, name: str, arrays: list[Array]) -> None:
        """Whole numbers and truth values: the same in the runs that are judged, and in float32 unless rounding tips them.

        Where a unit in the weights tips some of them, as many and a few more may differ.
        """
        track = self.tracks[name]
        left, right = (arrays[i] for i in self._both[-1])
        if self.rule == "four runs":
            t32, _, f32, _, *nudged = arrays
            half = len(nudged) // 2
            moved = [unequal(left, other) for other in nudged[:half]] + [
                unequal(right, other) for other in nudged[half:]
            ]
            tipped = max(moved, default=0)
            track.noise_torch += bool(gap(t32, left) or gap(f32, right))  # not calm
        else:
            tipped = max(unequal(left, other) for other in arrays[1:-1])
        track.tips = max(track.tips, tipped)
        apart = unequal(left, right)
        if apart > TIPS * track.tips:
            self._mark(step, track, _at(step, name, "exact", left, right))
            if self.rule == "four runs":
                track.apart = "mathematics" if gap(t32, f32) else "below float32"
        elif self.rule == "four runs" and not apart and not self.drifts and gap(t32, f32):
            for side, own, other in (("torch", t32, f32), ("tensorflow", f32, t32)):
                if gap(own, left) and not gap(other, left):
                    self._alone(step, name, side, "exact", t32, f32)

    def _values(self, step: int, name: str, arrays: list[Array]) -> float:
        """Finite numbers: this step's noise, and whether it explains how far the two sides are apart. Returns the excess."""
        track = self.tracks[name]
        left, right = (arrays[i] for i in self._both[-1])
        between, size, shrink = gap(left, right), self._size[name], self._shrink(left, right)
        here_torch, here_tensorflow, moved = self._noise(arrays)
        unit = UNIT64 if self.rule == "nudged float64" else UNIT32
        slow = moved / shrink * APPEAL_THRESHOLD / THRESHOLD
        if self.rule != "nudged float32":
            track.narrow |= {side for side, a in (("torch", left), ("tensorflow", right)) if a.dtype.char in NARROW}
        track.separate(here_torch, here_tensorflow)
        group = self.group_scale.get(self._groups.get(name, ""), 0.0)
        track.remember(max(here_torch, here_tensorflow, slow), size, unit, self._floor(name) / UNIT32 * unit * group)
        # Zero where everything on the reference's side, and all rounding, is exactly zero.
        allowed = shrink * track.noise
        excess = min(between / allowed, LARGEST) if allowed else LARGEST * bool(between)
        if excess > self.threshold:
            if self.rule == "nudged float32" and self._tie(step, name, left, right):
                return 0.0
            if self.rule == "four runs" and "e" in {left.dtype.char, right.dtype.char} and rounded_apart(left, right):
                return 0.0
        if self.horizon is None:
            if excess > track.excess:
                track.excess, track.excess_step = excess, step
            if track.scale:
                track.relative = max(track.relative, min(between / track.scale, LARGEST))
        if excess > self.threshold and track.first is None:
            at = worst(left, right)
            relative = min(between / track.scale, LARGEST) if track.scale else LARGEST
            track.first = Difference(
                step, stage_of(name), name, "values", at.index, at.left, at.right, between, relative, excess
            )
            track.relations = Relations(name) if left.dtype.kind == "f" else None
            if self.rule == "four runs":
                across = gap(arrays[0], arrays[2])
                track.apart = stands_apart(
                    between, here_torch, here_tensorflow, across, track.noise, UNIT32 * track.scale
                )
        elif self.rule == "four runs" and track.first is None:
            self._gross(step, name, arrays, here_torch, here_tensorflow, between)
        if track.relations is not None:
            track.relations.update(left, right, self._previous, self._before, self.threshold * allowed)
        return excess

    def _noise(self, arrays: list[Array]) -> tuple[float, float, float]:
        """How far torch and TensorFlow are from themselves in this step; and, on appeal, by how much a unit moves float64."""
        if self.rule != "four runs":
            left, *nudged, _ = arrays
            return max(gap(left, other) for other in nudged), 0.0, 0.0
        t32, t64, f32, f64, *nudged = arrays
        half = len(nudged) // 2
        moved = [gap(t64, other) for other in nudged[:half]] + [gap(f64, other) for other in nudged[half:]]
        return gap(t32, t64), gap(f32, f64), max(moved, default=0.0)

    def _tie(self, step: int, name: str, left: Array, right: Array) -> bool:
        """Whether a number halfway between two of a short type was rounded the other way, in this step and nothing before it.

        From then on the two runs part, and both are right: the horizon, or with every step by itself the end of this step.
        """
        if self.ties and self.ties[-1][0] == step:
            return True
        kind = rounded_apart(left, right) if stage_of(name) not in UNTIED and left.size >= TIED else ""
        if not kind or self.horizon is not None or any(track.first for track in self.tracks.values()):
            return False
        why = f"{name} holds a number halfway between two of {kind}, which was rounded the other way"
        self.ties.append((step, why))
        if self.watches_horizon:
            self.horizon, self.horizon_why = step, why
        return True

    def _gross(
        self, step: int, name: str, arrays: list[Array], torch: float, tensorflow: float, between: float
    ) -> None:
        """The float64 runs agree, but one float32 run is far from them and from the other: not the loop that is deployed?"""
        scale = self.tracks[name].recent
        # An unstable formula is less exact in float64 too, 2^29 times less so; another computation in float32 is not.
        for side, own, other in (("torch", torch, tensorflow), ("tensorflow", tensorflow, torch)):
            if own > GROSS * scale > 0 and own > BETTER * max(other, between / SHRINK) and stage_of(name) in DEPLOYED:
                self._alone(step, name, side, "values", arrays[0], arrays[2])

    def _alone(self, step: int, name: str, side: str, kind: str, t32: Array, f32: Array) -> None:
        """Remember that one side's float32 run stands alone in a tensor: the first place, and how often it was."""
        if (name, side) not in self.lonely:
            at, between, scale = worst(t32, f32), gap(t32, f32), self.tracks[name].recent
            sizes = (between, between / scale, between / (UNIT32 * scale)) if kind == "values" else ()
            said = f"{at.left} (float32)", f"{at.right} (float32)"
            first = Difference(step, stage_of(name), name, kind, at.index, *said, *sizes)
            self.lonely[name, side] = Lonely(side, first, scale, self.tracks[name].steps)
        self.lonely[name, side].steps += 1

    @property
    def gross(self) -> list[Lonely]:
        """Where a float32 run stands alone, for several steps or for most of them since then; earliest first."""
        lasting = [
            lonely
            for (name, _), lonely in self.lonely.items()
            if (lonely.steps >= SEVERAL or 2 * lonely.steps > self.tracks[name].steps - lonely.before)
            and (self.horizon is None or lonely.first.step < self.horizon)
        ]
        rank = self._rank()
        return sorted(lasting, key=lambda lonely: (lonely.first.step, rank[lonely.first.tensor]))

    @staticmethod
    def _floor(name: str) -> float:
        """The part of its group's largest tensor below which a tensor's noise is not taken to be; less for moments, some of
        which are squares."""
        return STAGE_FLOOR**2 if stage_of(name) == "slots" else STAGE_FLOOR

    def start_from(self, weights: Record) -> None:
        """The parameters before the first step, for relations that involve them."""
        self._before = {f"params/{name}": array for name, array in weights.items()}

    def _watch(self, step: int, losses: list[Track]) -> None:
        """Set the horizon to the first step from which on rounding alone has taken the loss away, on both sides.

        A loss that begins with a sum that cancels has lost nothing: the horizon is taken back when the loss has grown.
        """
        if self.ties:
            return
        scale = max((max(track.recent, MEMORY * track.scale) for track in losses), default=0.0)
        of_torch = max((track.late_torch for track in losses), default=0.0)
        less, more = sorted((of_torch, max((track.late_tensorflow for track in losses), default=0.0)))
        self.drifts = more > DRIFT * scale
        if not self.watches_horizon:
            return
        if self.horizon is None and more > SATURATION * scale > 0 and (self.rule != "four runs" or more <= NEAR * less):
            self.horizon = step
            self.horizon_why = "rounding alone changes the loss by more than 1 %"
        elif self.horizon is not None and more <= SATURATION / 10 * scale:
            self.horizon = None


def _at(step: int, name: str, kind: str, left: Array, right: Array) -> Difference:
    """A disagreement with the element that shows it; one that is not finite comes first."""
    element = worst(left, right)
    if kind == "not finite" and (np.isfinite(left) == np.isfinite(right)).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(left))[0])
        element = Worst(index, repr(left[index].item()), repr(right[index].item()))
    return Difference(step, stage_of(name), name, kind, element.index, element.left, element.right)
