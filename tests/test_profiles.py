"""How far the laws go in each profile: the brief one stops early, the default one where it did, the deep ones nowhere."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness import make_problem
from harness.judging.mistakes import SIZES, mistakes, spread
from harness.plugin import leaves_open
from harness.profiles import DEPTHS, LEAST
from harness.running.pairs import discover
from harness.verdict import Curve, Sensitivity, Verdict

PAIRS = discover(Path(__file__).parents[1] / "pairs")
LINE = next(pair for pair in PAIRS if pair.name == "linear_regression").scenario()


@pytest.mark.parametrize(
    ("profile", "batch_size", "epochs", "stopped"),
    [
        ("brief", 100, 100, LEAST),  # one batch an epoch
        ("brief", 5, 100, 40),  # two epochs, which are more than the least
        ("brief", 1, 100, 200),
        ("brief", 50, 5, None),  # it has as few steps
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


def test_the_brief_profile_makes_mistakes_of_every_kind_over_the_collection() -> None:
    """Each pair has all of them under the profiles that .ci/run, or a project of one's own, runs."""
    kinds = {"hyperparameter", "weight", "data", "order", "noise", "length"}
    names = Counter[str]()
    for pair in PAIRS:
        made = list(mistakes(make_problem(pair.scenario()), SIZES[0]))
        chosen = [made[place].kind for place in spread(len(made), DEPTHS["brief"].mistakes or 0, pair.name)]
        assert len(chosen) == 1, pair.name
        names.update(chosen)
    assert names.keys() == kinds, names
    assert all(DEPTHS[name].mistakes is None for name in ("default", "ci", "nightly"))


def test_what_a_brief_look_leaves_open_is_looked_for_further_on() -> None:
    """Where a schedule acts late, or a loop makes several steps a batch."""
    assert DEPTHS["brief"].own_steps(make_problem(LINE, epochs=300), briefly=False) == 200
    falls, flat = Curve("loss", (2.0, 1.0), (2.0, 1.0)), Curve("loss", (2.0,), (2.0,))
    seen = replace(Verdict("line", "EQUIVALENT", ""), curve=falls)
    late = Sensitivity("factor off by 0.001", "hyperparameter", noticed=False)
    assert not leaves_open(seen)
    assert leaves_open(replace(seen, curve=flat))
    assert not leaves_open(replace(seen, curve=replace(flat, may_rise="two players")))
    assert leaves_open(replace(seen, sensitivity=(late,)))
    assert not leaves_open(replace(seen, sensitivity=(replace(late, declared="it never acts"),)))
    assert not leaves_open(replace(seen, curve=flat, status="DIFFERENT"))


def test_mistakes_are_spread_and_the_same_ones_each_time() -> None:
    assert spread(9, 3, "gan") == spread(9, 3, "gan")
    assert {tuple(spread(4, 2, name)) for name in ("a", "b", "c", "gan", "vae")} == {(0, 2), (1, 3)}
    assert spread(2, 5, "gan") == [0, 1], "as many as there are"


def test_what_the_readme_says_of_a_project_of_ones_own_holds() -> None:
    assert {name: depth.draws for name, depth in DEPTHS.items()} == {"brief": 1, "default": 2, "ci": 10, "nightly": 24}
    assert not DEPTHS["default"].brief
    assert DEPTHS["ci"].most_epochs is DEPTHS["ci"].most_steps is None, "ci draws of all epochs"
