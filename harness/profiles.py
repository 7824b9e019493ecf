"""Hypothesis profiles: how many problems the laws draw for each pair, and how far they go."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.contract.problem import Problem

LEAST = 10
"""Steps of a pair's own problem that are run in any case where it is not run to its end."""


@dataclass(frozen=True)
class Depth:
    """How deep the laws look into a pair in one profile; None is for no limit.

    draws: problems drawn. most_steps: of the pair's own problem. most_epochs: of a drawn problem; two are needed to see a loss
    fall. rerun: steps that are run a second time, to be compared bit by bit. mistakes: made on purpose in each pair, which ones
    hangs on its name. brief: run two epochs of the own problem, and of a drawn one the first epoch and a step; that and the
    rerun in float64 alone, which notices nearly all that four runs notice.
    """

    draws: int
    most_steps: int | None = None
    most_epochs: int | None = None
    rerun: int = 6
    mistakes: int | None = None
    brief: bool = False

    def own_steps(self, problem: "Problem", *, briefly: bool = True) -> int | None:
        """The steps after which a pair's own problem is stopped; None if it is run to its end.

        briefly: as a brief profile does at first. What is left open by that is looked for without.
        """
        limits = [] if self.most_steps is None else [self.most_steps]
        if self.brief and briefly:
            limits.append(max(LEAST, 2 * problem.batches_per_epoch))
        return min((limit for limit in limits if limit < problem.most_steps), default=None)

    @property
    def again(self) -> dict[str, Any]:
        """What a request for the rerun says besides its steps."""
        return {"precision": "float64"} if self.brief else {}

    def drawn(self, problem: "Problem") -> dict[str, Any]:
        """What a request for a drawn problem says besides the problem."""
        return {"steps": problem.batches_per_epoch + 1, "precision": "float64"} if self.brief else {}


DEPTHS = {
    "brief": Depth(1, most_steps=200, rerun=2, mistakes=1, brief=True),
    "default": Depth(2, most_steps=200, most_epochs=2),
    "ci": Depth(10),
    "nightly": Depth(24),
}
"""The default takes seconds a pair, the nightly one minutes; the brief one is for a suite that is run at every change."""


def register() -> None:
    """Make the profiles known to Hypothesis, and choose the default one unless another was chosen before."""
    from hypothesis import HealthCheck, Phase, settings

    for name, depth in DEPTHS.items():
        options: dict[str, Any] = {"derandomize": name != "nightly", "database": None} if name != "nightly" else {}
        settings.register_profile(
            name,
            max_examples=depth.draws,
            deadline=None,  # a first step that compiles a graph takes seconds
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            # Shrinking reruns the loops dozens of times; a failing problem is reported as it was drawn.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            print_blob=True,
            **options,
        )
