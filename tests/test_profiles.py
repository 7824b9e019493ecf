"""How far the laws go in each profile: the brief one stops early, the default one where it did, the deep ones nowhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import make_problem
from harness.profiles import DEPTHS, LEAST
from harness.running.pairs import Pair

LINE = Pair(Path(__file__).parents[1] / "pairs" / "linear_regression").scenario()


@pytest.mark.parametrize(
    ("profile", "batch_size", "epochs", "stopped"),
    [
        ("brief", 100, 100, LEAST),  # one batch an epoch
        ("brief", 5, 100, 40),  # of two epochs, which are more than the least
        ("brief", 1, 100, 200),
        ("brief", 50, 10, None),  # it has as few steps
        ("default", 100, 200, None),
        ("default", 100, 201, 200),
        ("ci", 1, 100, None),
        ("nightly", 1, 100, None),
    ],
)
def test_a_pairs_own_problem_is_stopped_where_the_profile_says(
    profile: str, batch_size: int, epochs: int, stopped: int | None
) -> None:
    problem = make_problem(LINE, batch_size=batch_size, epochs=epochs)
    assert DEPTHS[profile].own_steps(problem) == stopped


def test_of_a_drawn_problem_the_brief_profile_runs_an_epoch_with_its_last_batch_and_a_step() -> None:
    problem = make_problem(LINE, batch_size=30)
    assert problem.batches_per_epoch == 4
    assert DEPTHS["brief"].drawn(problem) == {"steps": 5, "precision": "float64"}
    assert not any(replace(DEPTHS[name], draws=1).drawn(problem) for name in ("default", "ci", "nightly"))


def test_what_the_readme_says_of_a_project_of_ones_own_holds() -> None:
    assert {name: depth.draws for name, depth in DEPTHS.items()} == {"brief": 2, "default": 2, "ci": 10, "nightly": 24}
    assert not DEPTHS["default"].brief
    assert DEPTHS["ci"].most_epochs is DEPTHS["ci"].most_steps is None, "ci draws of all epochs"
