"""The horizon: from which step on two right loops go apart, so that nothing is said past it."""

from collections.abc import Sequence

from harness.contract.recipes import Array
from harness.contract.stages import stage
from harness.oracle.bounds import DRIFT, MEMORY, NEAR, SATURATION, TIED
from harness.oracle.rounding import rounded_apart
from harness.oracle.track import Track


class Horizon:
    """Where rounding alone has taken the loss away, or tipped a number of a short type.

    watched: whether there is one; with every step by itself there is none. precise: whether both sides' rounding is
    measured. step: the horizon, or None. drifts: whether float32's rounding shows in the loss. ties: the steps in which a
    number was rounded the other way, and what they hold.
    """

    def __init__(self, *, watched: bool, precise: bool) -> None:
        self.watched, self.precise = watched, precise
        self.step: int | None = None
        self.why = ""
        self.drifts = False
        self.ties: list[tuple[int, str]] = []

    def watch(self, step: int, losses: Sequence[Track]) -> None:
        """Set the horizon to the first step from which on rounding alone has taken the loss away, on both sides.

        A loss that begins with a sum that cancels has lost nothing: the horizon is taken back when the loss has grown.
        """
        if self.ties:
            return
        scale = max((max(track.recent, MEMORY * track.scale) for track in losses), default=0.0)
        of_torch = max((track.late_torch for track in losses), default=0.0)
        less, more = sorted((of_torch, max((track.late_tensorflow for track in losses), default=0.0)))
        self.drifts = more > DRIFT * scale
        if not self.watched:
            return
        if self.step is None and more > SATURATION * scale > 0 and (not self.precise or more <= NEAR * less):
            self.step = step
            self.why = "rounding alone changes the loss by more than 1 %"
        elif self.step is not None and more <= SATURATION / 10 * scale:
            self.step = None

    def tie(self, step: int, name: str, left: Array, right: Array, *, agreed: bool) -> bool:
        """Whether a number halfway between two of a short type was rounded the other way, in this step and nothing before it.

        From then on the two runs part, and both are right: the horizon, or with every step by itself the end of this step.
        agreed: whether nothing has differed so far.
        """
        if self.ties and self.ties[-1][0] == step:
            return True
        kind = rounded_apart(left, right) if stage(name).tied and left.size >= TIED else ""
        if not kind or self.step is not None or not agreed:
            return False
        why = f"{name} holds a number halfway between two of {kind}, which was rounded the other way"
        self.ties.append((step, why))
        if self.watched:
            self.step, self.why = step, why
        return True
