"""Hypothesis profiles: how many problems the laws draw for each pair."""

from typing import Any

DRAWS = {"default": 2, "ci": 10, "nightly": 24}
"""Problems drawn per pair; the default takes seconds, the nightly one minutes."""

MOST_STEPS = {"default": 200}
"""Steps that the laws run of a scenario's own problem, where a profile stops before the end of a long one."""

MOST_EPOCHS = {"default": 2}
"""Epochs of a drawn problem at most, of which two are needed to see a loss fall."""


def register() -> None:
    """Make the profiles known to Hypothesis, and choose the default one unless another was chosen before."""
    from hypothesis import HealthCheck, Phase, settings

    for name, draws in DRAWS.items():
        options: dict[str, Any] = {"derandomize": name != "nightly", "database": None} if name != "nightly" else {}
        settings.register_profile(
            name,
            max_examples=draws,
            deadline=None,  # a first step that compiles a graph takes seconds
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            # Shrinking reruns the loops dozens of times; a failing problem is reported as it was drawn.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            print_blob=True,
            **options,
        )
