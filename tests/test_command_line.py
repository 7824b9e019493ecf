"""twinloop run, list, show, new: what reaches the worker, what is printed and written, and the exit code."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import plain_pair
import pytest
from click.testing import CliRunner, Result

from harness.__main__ import main
from harness.report.json import read
from harness.verdict import Curve, Difference, Finding, Verdict

FALLING = Curve("loss", (2.0, 1.0), (2.0, 1.0))
RISING = Curve("loss", (1.0, 2.0), (1.0, 2.0))
SOUND = Verdict("a", "EQUIVALENT", "6 steps", curve=FALLING, steps=6, header={"torch": "2.13.0"})


class Pool:
    """Stands in for harness.running.pool.Pool: keeps the requests, and answers with what a test wants to see."""

    requests: Sequence[Any] = ()
    jobs, silence = 0, 0.0
    answer: Callable[[Any], Verdict]

    def __init__(self, jobs: int, silence: float) -> None:
        Pool.jobs, Pool.silence = jobs, silence

    def run(self, requests: Sequence[Any], _on_event: Any, on_verdict: Any) -> None:
        Pool.requests = requests
        for request in requests:
            on_verdict(request, Pool.answer(request))


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pairs a, b and c, where no loop is ever run: every verdict is that all is well."""
    monkeypatch.setattr("harness.running.pool.Pool", Pool)
    monkeypatch.setenv("COLUMNS", "140")
    Pool.requests = ()
    answers(lambda request: named(SOUND, request.pair.name))
    for name in ("a", "b", "c"):
        plain_pair.write(tmp_path / "pairs", name)
    return tmp_path / "pairs"


def answers(function: Callable[[Any], Verdict]) -> None:
    Pool.answer = staticmethod(function)  # type: ignore[assignment]


def named(verdict: Verdict, name: str, **changes: Any) -> Verdict:
    return replace(verdict, pair=name, **changes)


def twinloop(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="twinloop")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def complaint(result: Result) -> str:
    """The sentence behind "Error:", its line breaks undone."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.partition("Error: ")[2].split())


def test_every_pair_is_run_if_none_is_named(pairs: Path) -> None:
    assert twinloop("run", "--pairs", pairs).exit_code == 0
    assert [request.pair.name for request in Pool.requests] == ["a", "b", "c"]


def test_named_pairs_are_run_alone(pairs: Path) -> None:
    (pairs / "b" / "tensorflow_loop_plain.py").write_text(plain_pair.LOOP, encoding="utf-8")
    assert twinloop("run", "b:plain", "a", "--pairs", pairs).exit_code == 0
    assert [request.pair.name for request in Pool.requests] == ["b:plain", "a"]


def test_a_pair_that_is_named_twice_is_run_once(pairs: Path) -> None:
    (pairs / "b" / "tensorflow_loop_plain.py").write_text(plain_pair.LOOP, encoding="utf-8")
    assert twinloop("run", "b", "a", "b:plain", "b", pairs / "a", "--pairs", pairs).exit_code == 0
    assert [request.pair.name for request in Pool.requests] == ["b", "a", "b:plain"]


def test_a_path_names_a_pair_as_the_shell_completes_it(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pairs.parent)
    (pairs / "b" / "tensorflow_loop_plain.py").write_text(plain_pair.LOOP, encoding="utf-8")
    assert twinloop("run", "pairs/c/", "pairs/b:plain").exit_code == 0
    assert [request.pair.name for request in Pool.requests] == ["c", "b:plain"]


def test_a_path_to_another_folder_names_no_pair(pairs: Path, tmp_path: Path) -> None:
    plain_pair.write(tmp_path / "elsewhere", "a")
    assert "no pair called" in complaint(twinloop("run", tmp_path / "elsewhere" / "a", "--pairs", pairs))


def test_many_pairs_are_left_to_list(pairs: Path) -> None:
    for number in range(9):
        plain_pair.write(pairs, f"regression_{number}")
    said = complaint(twinloop("run", "regresion_3", "--pairs", pairs))
    assert said == "no pair called regresion_3; did you mean regression_3? `twinloop list` shows all 12"
    assert complaint(twinloop("run", "zzz", "--pairs", pairs)) == "no pair called zzz; `twinloop list` shows all 12"


def test_the_longest_pair_is_begun_first_and_the_table_is_in_order(pairs: Path) -> None:
    scenario = pairs / "b" / "scenario.py"
    scenario.write_text(scenario.read_text(encoding="utf-8").replace("epochs=", "epochs=10 * "), encoding="utf-8")
    result = twinloop("run", "--pairs", pairs)
    assert [request.pair.name for request in Pool.requests] == ["b", "a", "c"]
    assert [line.split()[0] for line in result.output.splitlines() if line.split()[1:2] == ["EQUIVALENT"]] == [
        "a",
        "b",
        "c",
    ]


def test_options_reach_the_worker(pairs: Path) -> None:
    twinloop(
        "run", "a", "--pairs", pairs, "--seed", "3", "--steps", "4", "--epochs", "5", "--batch-size", "6", "--lr", "1e-3",
        "--set", "momentum=0.9", "--set", "betas=0.9,0.99", "--dtype", "float64", "--resync", "--thorough",
        "--threads", "2", "--jobs", "7", "--timeout", "30",
    )  # fmt: skip
    (request,) = Pool.requests
    assert (request.seed, request.steps, request.epochs, request.batch_size) == (3, 4, 5, 6)
    assert request.hyper == {"momentum": "0.9", "betas": "0.9,0.99", "lr": "0.001"}
    assert (request.precision, request.resync, request.thorough, request.threads) == ("float64", True, True, 2)
    assert (Pool.jobs, Pool.silence) == (1, 30.0)


def test_without_options_the_scenario_decides(pairs: Path) -> None:
    twinloop("run", "a", "--pairs", pairs)
    (request,) = Pool.requests
    assert (request.seed, request.steps, request.epochs, request.batch_size, request.hyper) == (0, None, None, None, {})
    assert (request.precision, request.resync, request.thorough, request.threads) == ("both", False, False, 1)


def test_set_takes_what_has_an_option_of_its_own(pairs: Path) -> None:
    twinloop("run", "a", "--pairs", pairs, "--set", "batch_size=3", "--set", "steps=2", "--set", "epochs=9")
    assert (Pool.requests[0].batch_size, Pool.requests[0].steps, Pool.requests[0].epochs) == (3, 2, 9)
    assert Pool.requests[0].hyper == {}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"curve": RISING}, 1),
        ({"curve": Curve("loss", (1.0,), (1.0,))}, 0),
        ({"curve": Curve("loss", (1.0, 2.0), (1.0, 2.0), "a game has no falling loss")}, 0),
        ({"status": "DIFFERENT", "first": Difference(3, "loss", "loss", "values", torch="1.0", tensorflow="2.0")}, 1),
        ({"status": "EQUIVALENT IN EFFECT"}, 1),
        ({"status": "INCONCLUSIVE"}, 1),
        ({"status": "ERROR"}, 2),
    ],
)
def test_one_pair_decides_the_exit_code(pairs: Path, changes: dict[str, Any], code: int) -> None:
    answers(lambda request: named(SOUND, request.pair.name, **(changes if request.pair.name == "b" else {})))
    result = twinloop("run", "--pairs", pairs)
    assert result.exit_code == code
    assert f"{3 - bool(code)} of 3 pairs are equivalent and fall where they must" in result.output


def test_one_pair_is_not_two(pairs: Path) -> None:
    said = "1 of 1 pair is equivalent and falls where it must"
    assert said in twinloop("run", "a", "--pairs", pairs).output


def test_a_log_is_told_what_takes_so_long(pairs: Path) -> None:
    assert twinloop("run", "--pairs", pairs).output.startswith("loading torch and TensorFlow …\n")


def test_bad_input_for_every_pair_is_said_once_and_without_a_table(pairs: Path) -> None:
    said = "lr=abc: expected a number, like 0.125"
    refused = Verdict("", "ERROR", "", usage=True)
    answers(lambda request: named(refused, request.pair.name, sentence=f"pair {request.pair.name}: {said}"))
    result = twinloop("run", "a", "b", "--pairs", pairs, "--set", "lr=abc")
    assert result.exit_code == 2
    lines = [line for line in result.output.splitlines() if line]
    assert lines[1:] == [f"ERROR                {name}  {said}" for name in ("a", "b")]


def test_bad_input_for_one_pair_stands_in_the_table(pairs: Path) -> None:
    refused = Verdict("b", "ERROR", "pair b: lr=abc: expected a number, like 0.125", usage=True)
    answers(lambda request: refused if request.pair.name == "b" else named(SOUND, request.pair.name))
    result = twinloop("run", "--pairs", pairs)
    assert "2 of 3 pairs are equivalent" in result.output
    assert any(line.split() == ["b", "ERROR", "0.0"] for line in result.output.splitlines())


def test_the_table_has_a_line_for_every_pair(pairs: Path) -> None:
    answers(
        lambda request: named(
            SOUND, request.pair.name, status="DIFFERENT" if request.pair.name == "b" else "EQUIVALENT"
        )
    )
    lines = twinloop("run", "--pairs", pairs).output.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("pair ")) :]
    assert [line.split()[:2] for line in table[1:4]] == [["a", "EQUIVALENT"], ["b", "DIFFERENT"], ["c", "EQUIVALENT"]]
    assert "torch 2.13.0" in lines[-1]


def test_json_is_written_and_read_back(pairs: Path, tmp_path: Path) -> None:
    first = Difference(3, "grads", "grads/w", "values", (1, 2), "1.0", "nan", float("inf"), float("nan"), 1e300)
    finding = Finding("printed", "the loops printed 2 lines")
    curve = Curve("loss", (2.0, float("nan")), (2.0, float("inf")))
    answers(
        lambda request: named(
            SOUND, request.pair.name, status="DIFFERENT", first=first, findings=(finding,), curve=curve
        )
    )
    file = tmp_path / "report.json"
    assert twinloop("run", "--pairs", pairs, "--json", file).exit_code == 1
    report = read(file)
    assert (report.passed, [verdict.pair for verdict in report.verdicts]) == (False, ["a", "b", "c"])
    verdict = report.verdicts[0]
    assert verdict.first is not None
    assert (verdict.first.index, verdict.first.gap, verdict.first.relative) == ((1, 2), 1e300, 1e300)
    assert verdict.curve == Curve("loss", (2.0, 1e300), (2.0, 1e300))
    assert not verdict.curve.falls
    assert verdict.findings == (finding,)


def test_json_says_when_all_has_passed(pairs: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert twinloop("run", "--pairs", pairs, "--json", file).exit_code == 0
    assert read(file).passed
    assert read(file).verdicts[1] == named(SOUND, "b")


def test_an_interrupted_run_reports_what_is_finished_and_passes_nothing(pairs: Path, tmp_path: Path) -> None:
    def stop(request: Any) -> Verdict:
        if request.pair.name == "b":
            raise KeyboardInterrupt
        return named(SOUND, request.pair.name)

    answers(stop)
    file = tmp_path / "report.json"
    result = twinloop("run", "--pairs", pairs, "--json", file)
    assert result.exit_code == 130
    assert "interrupted: 1 of 3 pairs were finished" in result.output
    assert "1 of 3 pairs are equivalent" in result.output
    assert [verdict.pair for verdict in read(file).verdicts] == ["a"]
    assert not read(file).passed


@pytest.mark.parametrize("target", ["missing/report.json", "."])
def test_a_file_that_cannot_be_written_is_said_before_anything_runs(pairs: Path, tmp_path: Path, target: str) -> None:
    said = complaint(twinloop("run", "--pairs", pairs, "--json", tmp_path / target))
    assert "--json" in said
    assert ("cannot be written: No such file or directory" in said) or ("is a directory" in said)
    assert not Pool.requests


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "A"], "no pair called A; did you mean a? There are: a, b, c"),
        (["run", "zzz"], "no pair called zzz; there are: a, b, c"),
        (["show", "zzz"], "no pair called zzz; there are: a, b, c"),
        (["run", "a:plain"], "pair a: no further port called plain; there are none"),
        (["run", "--set", "lr"], "--set lr: write NAME=VALUE, such as --set momentum=0.9"),
        (["run", "--set", "=1"], "--set =1: write NAME=VALUE, such as --set momentum=0.9"),
        (["run", "--set", "steps=many"], "steps=many: expected a whole number"),
        (["run", "--sede", "1"], "--seed"),
        (["run", "--seed", "-1"], "Invalid value for '--seed': -1 is not in the range x>=0."),
        (["run", "--steps", "few"], "Invalid value for '--steps': 'few' is not a valid integer range."),
        (["run", "--steps", "0"], "Invalid value for '--steps': 0 is not in the range x>=1."),
        (["run", "--epochs", "0"], "Invalid value for '--epochs': 0 is not in the range x>=1."),
        (["run", "--batch-size", "-3"], "Invalid value for '--batch-size': -3 is not in the range x>=1."),
        (["run", "--set", "steps=0"], "steps=0: at least 1 is needed"),
        (["run", "--lr", "nan"], "--lr nan: a learning rate is a finite number"),
        (["run", "--lr", "fast"], "Invalid value for '--lr': 'fast' is not a valid float."),
        (["run", "--dtype", "float16"], "'float16' is not one of 'both', 'float32', 'float64'."),
    ],
)
def test_what_does_not_exist_gets_a_sentence_with_what_does(pairs: Path, arguments: list[str], sentence: str) -> None:
    assert sentence in complaint(twinloop(*arguments, "--pairs", pairs))
    assert not Pool.requests


def test_a_misspelt_command_gets_the_nearest() -> None:
    said = complaint(twinloop("rnu"))
    assert said.startswith("no command called rnu; did you mean run? There are: ")
    assert {"list", "new", "run", "show"} <= set(said.partition("There are: ")[2].split(", "))


def test_no_folder_and_an_empty_folder_get_a_sentence(tmp_path: Path) -> None:
    missing = complaint(twinloop("run", "--pairs", tmp_path / "pears"))
    assert missing.replace(" ", "").endswith("pears;runthisbesidepairs/,ornamethefolderwith--pairs")
    (tmp_path / "pairs").mkdir()
    for command in (["run"], ["run", "a"], ["show", "a"], ["list"]):
        said = complaint(twinloop(*command, "--pairs", tmp_path / "pairs"))
        assert said.startswith("there is no pair in ")
        assert said.endswith("`twinloop new NAME` writes one")


def test_list_shows_every_pair_and_its_problem(pairs: Path) -> None:
    (pairs / "b" / "tensorflow_loop_plain.py").write_text(plain_pair.LOOP, encoding="utf-8")
    result = twinloop("list", "--pairs", pairs)
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert rows[1] == ["a", "A", "line", "fitted", "by", "gradient", "descent.", "12", "4", "2", "lr=0.125"]
    assert [":plain"] in rows


def test_list_shows_the_others_when_one_is_broken(pairs: Path) -> None:
    (pairs / "b" / "scenario.py").write_text("scenario = 3\n", encoding="utf-8")
    result = twinloop("list", "--pairs", pairs)
    assert complaint(result) == "pair b: scenario.py defines no `scenario = Scenario(...)`"
    assert "a     A line fitted" in result.output
    assert "c     A line fitted" in result.output


def test_list_takes_words(pairs: Path) -> None:
    scenario = pairs / "b" / "scenario.py"
    text = scenario.read_text(encoding="utf-8")
    scenario.write_text(text.replace('{"lr": 0.125}', '{"lr": 0.125, "weight_decay": 0.5}'), encoding="utf-8")
    result = twinloop("list", "WeightDecay", "line", "--pairs", pairs)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines() if "A line" in line] == ["b"]
    said = complaint(twinloop("list", "wieght_decay", "--pairs", pairs))
    assert said == "no pair holds wieght_decay; did you mean weight_decay? `twinloop list` alone shows all of them"


@pytest.mark.parametrize(
    ("words", "row"),
    [
        (["lambdalr"], ["optim.lr_scheduler.LambdaLR", "faithful.LambdaLR", "The first rate times `lr_lambda(step)`."]),
        (["scheduler", "gamma", "milestones"], ["optim.lr_scheduler.MultiStepLR", "faithful.MultiStepLR"]),
        (["max_pool", "ceil_mode"], ["nn.MaxPool2d(2, ceil_mode=True)", "faithful.MaxPool2d(2, ceil_mode=True)"]),
        (["AdamW"], ["optim.AdamW(p)", "faithful.AdamW()", "decay 0.01 by default, 0.004 in Keras"]),
        (["clip_grad_norm"], ["nn.utils.clip_grad_norm_(p, 0.5)", "faithful.clip_grad_norm(grads, 0.5)[0]"]),
        (["ReflectionPad"], ["nn.ReflectionPad2d(1)", "lambda x: tf.pad(x,"]),
    ],
)
def test_faithful_finds_rows_and_parts(monkeypatch: pytest.MonkeyPatch, words: list[str], row: list[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = twinloop("faithful", *words)
    assert result.exit_code == 0
    found = [re.split(r" {2,}", line) for line in result.output.splitlines()]
    assert [cell[: len(wanted)] for cell, wanted in zip(found[1], row, strict=False)] == row


def test_faithful_offers_what_is_like_a_misspelt_word() -> None:
    said = complaint(twinloop("faithful", "LamdbaLR"))
    assert said == "no row holds LamdbaLR; did you mean LambdaLR? `twinloop faithful` alone shows all of them"


def test_show_puts_the_two_loops_side_by_side(pairs: Path) -> None:
    result = twinloop("show", "a", "--pairs", pairs, "--width", "150")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "A line fitted by gradient descent."
    assert lines[1].split() == ["torch_loop.py", "tensorflow_loop.py"]
    assert any(line.count("def train(weights, batches, *, lr):") == 2 for line in lines)


def test_new_writes_a_pair_and_says_what_next(tmp_path: Path) -> None:
    result = twinloop("new", "mine", "--pairs", tmp_path / "pairs")
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "pairs" / "mine").iterdir()) == sorted(plain_pair.FILES)
    assert "twinloop run mine" in result.output
    assert "pytest -k mine" in result.output
    assert complaint(twinloop("new", "mine", "--pairs", tmp_path / "pairs")).endswith(
        "mine is there already; choose another name, or edit it"
    )


@pytest.mark.parametrize("name", ["my-model", "1st", "class", "a/b", ""])
def test_new_refuses_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    assert complaint(twinloop("new", name, "--pairs", tmp_path)) == (
        f"{name!r} cannot be a pair's name; use letters, digits and underscores, such as my_model"
    )


def stdout_and_stderr(done: "subprocess.CompletedProcess[str]") -> str:
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        (True, "pairs; `twinloop new NAME` writes one"),
        (False, "pairs; run this beside pairs/, or name the folder with pytest's ini option twinloop_pairs"),
    ],
)
def test_laws_without_a_pair_are_not_green(tmp_path: Path, folder: bool, sentence: str) -> None:
    (tmp_path / "test_pairs.py").write_text("from harness.laws import *\n", encoding="utf-8")
    if folder:
        (tmp_path / "pairs").mkdir()
    done = run_pytest(tmp_path)
    assert done.returncode not in (0, 5), "neither passed nor nothing to do"
    assert sentence in stdout_and_stderr(done)


# A repository of somebody's own, from nothing: these run the frameworks.


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    assert twinloop("new", "fresh", "--pairs", folder / "pairs").exit_code == 0
    plain_pair.write(folder / "pairs", "plain_one")
    (folder / "test_pairs.py").write_text("from harness.laws import *\n", encoding="utf-8")
    return folder


def run_pytest(repository: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(  # noqa: S603  # this very interpreter
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        capture_output=True, text=True, cwd=repository, env=environment, check=False, timeout=500,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "wanted", "unwanted"),
    [
        (["-k", "fresh"], "fresh", "plain_one"),
        (["--twinloop-pair", "fresh"], "fresh", "plain_one"),
        (["--twinloop-pair", "plain_one"], "plain_one", "fresh"),
    ],
)
def test_laws_are_chosen_by_name(repository: Path, arguments: list[str], wanted: str, unwanted: str) -> None:
    printed = run_pytest(repository, "--collect-only", "-q", *arguments).stdout
    assert f"test_both_losses_fall[{wanted}]" in printed
    assert unwanted not in printed


def test_an_unknown_pair_stops_pytest_with_a_sentence(repository: Path) -> None:
    done = run_pytest(repository, "--twinloop-pair", "frehs")
    assert done.returncode == 2
    assert "no pair called frehs; did you mean fresh? There are: fresh, plain_one" in done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--pair=fresh", "--record", "--loop-timeout"])
def test_an_option_of_old_says_what_to_write_now(repository: Path, option: str) -> None:
    """Names of twinloop's own begin with its name, so that no other plugin's are taken."""
    name = option.partition("=")[0]
    done = run_pytest(repository, option, *(["1"] if option == name else []))
    assert done.returncode == 4
    now = {"--pair": "pair", "--record": "record", "--loop-timeout": "timeout"}[name]
    assert f"{name} is now --twinloop-{now}" in done.stdout + done.stderr


@pytest.mark.xdist_group("own_repository")
def test_the_laws_hold_for_a_new_pair_in_a_repository_of_ones_own(repository: Path) -> None:
    chosen = "plain_one or trains_the_same or fall"
    reports = ["--junitxml", "laws.xml", "--twinloop-json", "laws.json", "--twinloop-html", "laws.html"]
    reports += ["--twinloop-sarif", "laws.sarif"]
    done = run_pytest(repository, "-n", "1", "--dist", "loadgroup", "-k", chosen, *reports)  # one loads the frameworks
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout[done.stdout.index(" twinloop ") :].splitlines()[1:]
    lines = [line for line in table if line.startswith(("fresh", "plain_one"))]
    assert len(lines) == 2
    assert re.match(r"fresh +laws 3/3  EQUIVALENT +20 steps +excess ", lines[0])
    assert re.match(r"plain_one +laws 7/7  EQUIVALENT +6 steps +excess .* mistakes noticed", lines[1])
    written = read(repository / "laws.json")
    assert [verdict.pair for verdict in written.verdicts] == ["fresh", "plain_one"]
    assert written.passed
    assert all(verdict.recording.excess and verdict.listings for verdict in written.verdicts)
    assert "2 of 2 pairs passed" in (repository / "laws.html").read_text(encoding="utf-8")
    assert not json.loads((repository / "laws.sarif").read_bytes())["runs"][0]["results"]
    junit = ElementTree.parse(repository / "laws.xml")  # noqa: S314  # our own file
    said = {item.get("name"): item.get("value") for item in junit.findall("testsuite/properties/property")}
    assert {said[f"twinloop.{name}.verdict"] for name in ("fresh", "plain_one")} == {"EQUIVALENT"}
    assert (said["twinloop.torch"] or "").startswith("2.")
    cases = list(junit.iter("testcase"))
    names = [case.get("name", "") for case in cases]
    assert "test_trains_the_same[fresh]" in {name.partition("@")[0] for name in names}
    assert len(names) == 10
    assert {name.partition("@")[2] for name in names} == {"fresh", "plain_one"}, "the laws of a pair share one process"
