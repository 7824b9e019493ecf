"""The evidence commands: ours makes no mistake on the cases, each hole of a published rule is there, sums are right."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faithful_oracle import LIMIT
from faults import FAULTS, REWRITES

from harness.plugin import Recorder
from harness.report.json import append, lines
from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.verdict import LARGEST, Difference, Verdict

sys.path.insert(0, str(Path(__file__).parent / "evidence"))

import gap
import peers
from results import read

pytestmark = pytest.mark.xdist_group("evidence")


@pytest.fixture(scope="module")
def found() -> dict:
    return peers.measured()


def wrong(found: dict, name: str) -> set[str]:
    (rule,) = [rule for rule in found["rules"] if rule["name"] == name]
    return set(rule["wrong"])


def test_ours_is_right_on_every_case(found: dict) -> None:
    assert not wrong(found, "twinloop")
    assert all((case["excess"] < LIMIT) == case["valid"] for case in found["cases"])


def test_the_weaker_rule_takes_no_valid_rewrite_for_a_fault(found: dict) -> None:
    (rule,) = [rule for rule in found["rules"] if rule["name"] == "twinloop, float32 alone"]
    assert rule["false_alarms"] == 0
    assert rule["detected"] < found["faults"], "it sees float32 alone, and says so"


def test_there_are_enough_cases(found: dict) -> None:
    assert found["valid"] >= 12
    assert found["faults"] >= 30
    names = [case["name"] for case in found["cases"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("rule", "case"),
    [
        ("reprod_log", "nothing but NaN"),
        ("reprod_log", "shape [4, 1] for [4]"),
        ("PaDiff", "rows of the batch permuted"),
        ("PaDiff", "noise that keeps the mean"),
        ("PaDiff", "momentum, schedule one step late"),
        ("transformers PT/TF", "nothing but NaN"),
        ("ivy", "NaN where the reference is 0"),
        ("onnx2tf -cotof", "height and width swapped"),
        ("onnx2tf -cotof", "matmul of values near 1e5"),
        ("Keras' golden values", "Adam, epsilon 1e-7"),
        ("tinygrad's optimizer tests", "Adam, beta2 0.9991"),
        ("array-api-tests", "0.9 for 0.0"),
        ("array-api-tests", "130 for 100"),
        ("AlgoPerf", "scaled by 1 + 1e-6"),
        ("torch.testing.assert_close", "variance in one pass, mean 10"),
        ("assert_close on float64 runs", "layer normalization, epsilon off by 1e-9"),
        ("AWS R-ratio", "product over 4096 terms, one after the other"),
    ],
)
def test_a_published_rule_has_the_hole_that_is_known_of_it(found: dict, rule: str, case: str) -> None:
    """So that each is written down as it is, and not weaker."""
    assert case in wrong(found, rule)


def test_the_counts_in_the_readme_are_these(found: dict) -> None:
    """Which cases rounding decides may depend on the machine; how many there are and what ours says may not."""
    recorded = read("peers")
    assert [case["name"] for case in recorded["cases"]] == [case["name"] for case in found["cases"]]
    assert recorded["rules"][-1] == {k: v for k, v in found["rules"][-1].items() if k != "wrong"}


def verdict(pair: str, status: str, excess: float, *, first: float | None = None) -> Verdict:
    difference = first and Difference(0, "loss", "loss", "values", excess=first)
    return Verdict(pair, status, "", steps=3, excess=excess, excess_tensor="loss", first=difference or None)  # type: ignore[arg-type]


def test_valid_runs_and_faults_are_told_apart_by_their_edits(tmp_path: Path) -> None:
    file = tmp_path / "recorded.jsonl"

    def record(made: Verdict, edits: tuple[Edit, ...] = ()) -> None:
        append(file, made, edited=[edit.write for edit in edits])

    record(verdict("linear_regression", "EQUIVALENT", 2.0))
    record(verdict(REWRITES[0].pair, "EQUIVALENT", 5.0), REWRITES[0].edits)
    record(verdict(FAULTS[0].pair, "DIFFERENT", 1e12, first=5e9), FAULTS[0].edits)
    record(verdict(FAULTS[1].pair, "DIFFERENT", LARGEST, first=LARGEST), FAULTS[1].edits)
    record(verdict("linear_regression", "EQUIVALENT", 1.0), (Edit("tensorflow_loop.py", "a", "b"),))
    assert len(lines(file)) == 5

    summary = gap.measured([file])
    assert (summary["draws"], summary["rewrites"], summary["faults"], summary["left_out"]) == (1, 1, 2, 1)
    (rule,) = summary["rules"]
    assert (rule["runs"], rule["equivalent"], rule["faults"], rule["found"], rule["without_excess"]) == (2, 2, 2, 2, 1)
    assert (rule["worst"]["excess"], rule["worst"]["pair"]) == (5.0, REWRITES[0].pair)
    assert (rule["least"]["excess"], rule["least"]["fault"]) == (5e9, FAULTS[0].name)
    assert rule["empty_decades"] == 9.0
    assert not rule["missed"]
    assert not rule["not_equivalent"]


def test_a_valid_run_that_fails_and_a_fault_that_passes_are_named(tmp_path: Path) -> None:
    """The twin: nothing is left out because it does not fit."""
    file = tmp_path / "recorded.jsonl"
    append(file, verdict("linear_regression", "DIFFERENT", 1e9, first=1e9))
    append(file, verdict(FAULTS[0].pair, "EQUIVALENT", 2.0), edited=[edit.write for edit in FAULTS[0].edits])
    (rule,) = gap.measured([file])["rules"]
    assert [row["pair"] for row in rule["not_equivalent"]] == ["linear_regression"]
    assert rule["missed"] == [FAULTS[0].name]
    assert rule["empty_decades"] is None


def test_whatever_the_sessions_worker_judges_is_recorded(tmp_path: Path) -> None:
    class Plain:
        def ask(self, request: Request) -> Verdict:
            return verdict(request.pair.name, "EQUIVALENT", 2.0)

    edits = (Edit("tensorflow_loop.py", "this", "that"),)
    recorder = Recorder(Plain(), tmp_path / "recorded.jsonl")  # type: ignore[arg-type]
    assert recorder.ask(Request("pairs/linear_regression", edits=edits)).agrees
    (line,) = lines(tmp_path / "recorded.jsonl")
    assert (line.pair, line.edited, line.reproduce) == ("linear_regression", ["that"], "twinloop run linear_regression")


def test_several_processes_may_record_to_one_file(tmp_path: Path) -> None:
    file = tmp_path / "recorded.jsonl"
    made = verdict("a pair with a long name " * 100, "EQUIVALENT", 2.0)
    with ThreadPoolExecutor(4) as pool:  # each opens the file anew, as another process does
        list(pool.map(lambda _: append(file, made), range(400)))
    assert len(lines(file)) == 400
