"""Bad input gets a sentence that says where it is and what to do, and takes nothing else down with it.

All bad pairs stand in one folder and are run by one command, so that each case also shows that the others are reported.
"""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import plain_pair
import pytest

from harness.report.json import Report, read
from harness.verdict import Verdict

pytestmark = pytest.mark.xdist_group("bad_input")

TORCH, TENSORFLOW, SCENARIO = "torch_loop.py", "tensorflow_loop.py", "scenario.py"
STEP = "        error ="
BODY = plain_pair.LOOP.partition("    for step")[2]
YIELD = 'yield {"loss": (error**2).mean(), "grads": {"w": grad}, "params": {"w": w}}'
HINT = "every pair has scenario.py, torch_loop.py and tensorflow_loop.py; `twinloop new NAME` writes all three"


@dataclass(frozen=True)
class Case:
    """Edits of the plain pair, and what the verdict must then say."""

    edits: tuple[tuple[str, str, str], ...]
    sentence: str
    status: str = "ERROR"
    without: str = ""


def at_step_two(code: str, file: str = TORCH) -> tuple[tuple[str, str, str], ...]:
    return ((file, STEP, f"        if step == 2:\n            {code}\n{STEP}"),)


CASES = {
    "without_torch": Case((), f"pair without_torch: torch_loop.py is missing from FOLDER; {HINT}", without=TORCH),
    "without_tensorflow": Case(
        (), f"pair without_tensorflow: tensorflow_loop.py is missing from FOLDER; {HINT}", without=TENSORFLOW
    ),
    "without_scenario": Case((), f"pair without_scenario: scenario.py is missing from FOLDER; {HINT}", without=SCENARIO),
    "misspelt_import": Case(
        ((TORCH, "import numpy as np", "import nmupy as np"),),
        "pair misspelt_import: torch_loop.py does not import: ModuleNotFoundError: No module named 'nmupy' "
        "(torch_loop.py:1)",
    ),
    "syntax_error": Case(
        ((TENSORFLOW, "for step, (x, y) in", "for step, (x, y) on"),),
        "pair syntax_error: tensorflow_loop.py does not import: SyntaxError: invalid syntax (tensorflow_loop.py:7)",
    ),
    "scenario_raises": Case(
        ((SCENARIO, "import numpy as np\n", "import numpy as np\n1 / 0\n"),),
        "pair scenario_raises: scenario.py does not import: ZeroDivisionError: division by zero (scenario.py:3)",
    ),
    "scenario_exits": Case(
        ((SCENARIO, "import numpy as np\n", "import sys\nsys.exit('usage: ...')\n"),),
        "pair scenario_exits: scenario.py does not import: SystemExit: usage: ... (scenario.py:3)",
    ),
    "misspelt_argument": Case(
        ((SCENARIO, "batch_size=4", "batchsize=4"),),
        "pair misspelt_argument: scenario.py: Scenario has no batchsize=; did you mean batch_size? There are: about, accept, "
        "batch_size, curve, data, drop_last, epochs, hyper, may_rise, noise, only_float32, resources, shuffle, still, traps, "
        "unnoticed, vary, weights (scenario.py:4)",
    ),
    "misspelt_acceptance": Case(
        ((SCENARIO, "    epochs=2", "    accept=[Accepted('w', 0.1, 'known', because='decay')],\n    epochs=2"),
         (SCENARIO, "import Scenario", "import Accepted, Scenario")),
        "pair misspelt_acceptance: scenario.py: Accepted has no because=; did you mean cause? "
        "There are: bound, cause, port, reason, tensors (scenario.py:9)",
    ),
    "recipe_not_imported": Case(
        ((SCENARIO, '"w": normal(3, 1)', '"w": zeros(3, 1)'),),
        "pair recipe_not_imported: scenario.py does not import: NameError: name 'zeros' is not defined (scenario.py:6); "
        "write `from harness import zeros`",
    ),
    "another_name_not_defined": Case(
        ((SCENARIO, '"w": normal(3, 1)', '"w": zeroes(3, 1)'),),
        "pair another_name_not_defined: scenario.py does not import: NameError: name 'zeroes' is not defined "
        "(scenario.py:6)",
    ),
    "no_scenario": Case(
        ((SCENARIO, "scenario = Scenario(", "scenery = Scenario("),),
        "pair no_scenario: scenario.py defines no `scenario = Scenario(...)`",
    ),
    "no_train": Case(
        ((TORCH, "def train(", "def trian("),),
        "pair no_train: torch_loop.py defines no function `train`; "
        "write `def train(weights, batches, *, ...)` with a `yield`",
    ),
    "no_yield": Case(
        ((TENSORFLOW, YIELD, "print(w)"),),
        "pair no_yield: tensorflow_loop.py has a `train` that never yields a record; "
        "write `def train(weights, batches, *, ...)` with a `yield`",
    ),
    "other_arguments": Case(
        ((TORCH, "(weights, batches, *, lr)", "(batches, weights, *, lr)"),),
        "pair other_arguments: torch_loop.py: train must begin (weights, batches, ...) or (weights, data, ...)",
    ),
    "lacks_argument": Case(
        ((TENSORFLOW, "*, lr)", "*, rate=0.1)"), (TENSORFLOW, "(lr *", "(rate *")),
        "pair lacks_argument: tensorflow_loop.py: train takes no argument lr, which the scenario's hyper= has",
    ),
    "asks_too_much": Case(
        ((TENSORFLOW, "*, lr)", "*, lr, momemtum)"), (SCENARIO, '"lr": 0.125}', '"lr": 0.125, "momentum": 0.5}'),
         (TORCH, "*, lr)", "*, lr, momentum)")),
        "pair asks_too_much: tensorflow_loop.py: train takes no argument momentum, which the scenario's hyper= has",
    ),
    "yields_a_number": Case(
        ((TORCH, YIELD, "yield error.mean()"),),
        "torch loop, float32, step 0: the loop yielded float32; yield a dict such as {'loss': loss, 'params': ...}",
    ),
    "yields_no_loss": Case(
        ((TENSORFLOW, '"loss"', '"lost"'),),
        "tensorflow loop, float32, step 0: the loop yielded no 'loss'; it yielded lost, grads, params",
    ),
    "yields_text": Case(
        ((TORCH, '{"w": grad}', '{"w": "large"}'),),
        "torch loop, float32, step 0: grads/w is a str, not a tensor or number: str holds no numbers",
    ),
    "unknown_weight": Case(
        ((TENSORFLOW, 'weights["w"]', 'weights["W"]'),),
        "tensorflow loop, float32, step 0: KeyError: no weight called W; did you mean w? There are: w "
        '(tensorflow_loop.py:5: w = np.asarray(weights["W"]))',
    ),
    "unread_weight": Case(
        ((TORCH, 'np.asarray(weights["w"])', "np.ones((3, 1))"),),
        "torch loop, float32, step 0: never read the weights w; "
        "load every weight, or take it out of the scenario",
    ),
    "misspelt_record": Case(
        ((TENSORFLOW, '"params": {"w": w}', '"params": {"w_": w}'),),
        "step 0, params/w: recorded by torch, not by tensorflow (which recorded params/w_); the comparison ends here",
        "DIFFERENT",
    ),
    "nan_in_data": Case(
        ((SCENARIO, '"y": normal(12, 1)', '"y": computed(lambda x: np.where(x > 1e9, x, np.nan))'),),
        "pair nan_in_data: data={'y': ...} holds NaN or infinity (seed 0); nothing compares with that",
    ),
    "data_raises": Case(
        ((SCENARIO, '"y": normal(12, 1)', '"y": computed(lambda x: x[99])'),),
        "pair data_raises: data={'y': ...} cannot be drawn: IndexError: "
        "index 99 is out of bounds for axis 0 with size 12",
    ),
    "batch_of_none": Case(
        ((SCENARIO, "batch_size=4", "batch_size=0"),),
        "pair batch_of_none: batch_size=0: there are 12 examples, so it must be from 1 to 12",
    ),
    "batch_too_large": Case(
        ((SCENARIO, "batch_size=4", "batch_size=13"),),
        "pair batch_too_large: batch_size=13: there are 12 examples, so it must be from 1 to 12",
    ),
    "negative_rate": Case(
        ((SCENARIO, '"lr": 0.125}', '"lr": -0.125}'),),
        "pair negative_rate: lr=-0.125 is negative; a learning rate is zero or more",
    ),
    "infinite_rate": Case(
        ((SCENARIO, '"lr": 0.125}', '"lr": float("inf")}'),), "pair infinite_rate: lr=inf is not finite"
    ),
    "misspelt_curve": Case(
        ((SCENARIO, "    epochs=2", '    curve="los",\n    epochs=2'),),
        "pair misspelt_curve: scenario.py: curve='los': no recorded quantity called los; did you mean loss? "
        "There are: grads/w, loss, params/w",
    ),
    "no_step": Case(
        tuple((file, "    for step", "    for step in ():\n        yield {}\n    if not lr:\n        return\n    for step")
              for file in (TORCH, TENSORFLOW)),
        "", "EQUIVALENT",
    ),
    "makes_no_step": Case(
        tuple((file, "enumerate(batches)", "enumerate(list(batches)[:0])") for file in (TORCH, TENSORFLOW)),
        "neither loop made a step, so there is nothing to agree on",
        "INCONCLUSIVE",
    ),
    "raises": Case(
        at_step_two("raise ValueError('the third\\n  batch is odd')"),
        "torch loop, float32, step 2: ValueError: the third batch is odd "
        "(torch_loop.py:9: raise ValueError('the third\\n  batch is odd'))",
    ),
    "raises_in_tensorflow": Case(
        at_step_two("w[7] = 1", TENSORFLOW),
        "tensorflow loop, float32, step 2: IndexError: index 7 is out of bounds for axis 0 with size 3 "
        "(tensorflow_loop.py:9: w[7] = 1)",
    ),
    "exits": Case(
        at_step_two("raise SystemExit('enough')"),
        "torch loop, float32, step 2: SystemExit: enough (torch_loop.py:9: raise SystemExit('enough'))",
    ),
    "asks_for_input": Case(
        at_step_two("input()"),
        "torch loop, float32, step 2: EOFError: EOF when reading a line (torch_loop.py:9: input())",
    ),
    "dies": Case(
        at_step_two("__import__('os')._exit(3)"),
        "torch loop, float32, step 2: the process died (exit code 3); run this pair alone to see why",
    ),
    "crashes": Case(
        at_step_two("__import__('os').kill(__import__('os').getpid(), 11)", TENSORFLOW),
        "tensorflow loop, float32, step 2: the process died (signal SIGSEGV); run this pair alone to see why",
    ),
    "hangs": Case(
        at_step_two("__import__('time').sleep(600)"),
        "torch loop, float32, step 2: no step for 4 s, so it was ended; raise --timeout if it is only slow "
        '(it was at File "FOLDER/torch_loop.py", line 9 in train)',
    ),
    "will_not_close": Case(
        (((TORCH, YIELD, "try:\n            " + YIELD + "\n        except GeneratorExit:\n            pass")),
         (TENSORFLOW, "enumerate(batches)", "enumerate(list(batches)[:3])")),
        "step 3, length: torch ended after 6 steps, tensorflow ended after 3 steps; the comparison ends here",
        "DIFFERENT",
    ),
    "becomes_nan": Case(
        at_step_two("w = w * np.nan", TENSORFLOW),
        "step 2, loss: torch NUMBER, tensorflow nan",
        "DIFFERENT",
    ),
    "becomes_nan_twice": Case(
        (*at_step_two("w = w * np.nan", TENSORFLOW), *at_step_two("w = w * np.nan", TORCH)),
        "both sides stop being finite: step 2, loss: torch nan, tensorflow nan",
        "INCONCLUSIVE",
    ),
    "prints": Case(
        ((TORCH, STEP, f"        print('│ a line', step, flush=True)\n{STEP}"),
         (TENSORFLOW, STEP, f"        __import__('warnings').warn('mind the gap', stacklevel=1)\n{STEP}")),
        "", "EQUIVALENT",
    ),
    "sound": Case((), "", "EQUIVALENT"),
}  # fmt: skip


@dataclass
class Ran:
    """What a run left behind."""

    code: int
    output: str
    errors: str
    report: Report
    root: Path

    def verdict(self, name: str) -> Verdict:
        return next(verdict for verdict in self.report.verdicts if verdict.pair == name)


def twinloop(*arguments: str, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603  # this very interpreter
        [sys.executable, "-m", "harness", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All cases, by one command."""
    root = tmp_path_factory.mktemp("bad")
    for name, case in CASES.items():
        plain_pair.write(root / "pairs", name, *case.edits, without=case.without)
    file = root / "report.json"
    process = twinloop(
        "run", "--pairs", str(root / "pairs"), "--timeout", "4", "--jobs", "1", "--json", str(file),
        env={**os.environ, "COLUMNS": "140"},
    )  # fmt: skip
    output, errors = process.communicate(timeout=400)
    assert file.exists(), output + errors
    return Ran(process.returncode, output, errors, read(file), root / "pairs")


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_its_sentence(ran: Ran, name: str) -> None:
    case, verdict = CASES[name], ran.verdict(name)
    assert (verdict.pair, verdict.status) == (name, case.status), verdict.sentence
    if case.sentence:
        said = verdict.sentence.replace(str(ran.root / name), "FOLDER")
        assert re.sub(r"torch -?[0-9.e-]+,", "torch NUMBER,", said) == case.sentence


def test_every_pair_is_reported_and_bad_input_is_exit_code_two(ran: Ran) -> None:
    assert sorted(verdict.pair for verdict in ran.report.verdicts) == sorted(CASES)
    assert not ran.report.passed
    assert ran.code == 2
    table = ran.output[ran.output.index("verdict") :]
    for name, case in CASES.items():
        assert re.search(rf"^{name} +{case.status} ", table, re.MULTILINE), name


def test_no_traceback_of_ours_is_shown(ran: Ran) -> None:
    assert ran.errors == ""
    traces = [verdict.trace for verdict in ran.report.verdicts if "File " in verdict.trace]
    assert len(traces) >= 4
    for trace in traces:
        first = next(line for line in trace.splitlines() if line.lstrip().startswith("File "))
        assert f"{os.sep}pairs{os.sep}" in first, "the user's own lines come first, and ours only where they call us"


def test_a_loop_that_raised_shows_its_own_traceback(ran: Ran) -> None:
    verdict = ran.verdict("raises")
    assert 'torch_loop.py", line 9, in train' in verdict.trace
    assert verdict.side == "torch"
    assert "ValueError: the third" in ran.output


def test_what_a_loop_prints_or_warns_is_reported_beside_the_table(ran: Ran) -> None:
    findings = [finding.sentence for finding in ran.verdict("prints").findings if finding.kind == "printed"]
    assert len(findings) == 1
    assert findings[0].endswith("the first: │ a line 0")
    assert ran.output.count("│ a line") == 1
    assert not [finding for finding in ran.verdict("sound").findings if finding.kind == "printed"]


def alive(marker: str) -> list[int]:
    """Processes whose command line or environment has the marker in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in text:
                found.append(int(entry.name))
    return found


def interrupted(root: Path, how: int, marker: str) -> Ran:
    """A run of a pair that is over at once, and of one that waits, stopped in the middle of the second."""
    plain_pair.write(root / "pairs", "a_quick_one")
    waiting = at_step_two("open(__file__ + '.waits', 'w').close(); __import__('time').sleep(600)")
    plain_pair.write(root / "pairs", "b_slow_one", *waiting)
    plain_pair.write(root / "pairs", "c_never_reached")
    file = root / "report.json"
    process = twinloop(
        "run", "--pairs", str(root / "pairs"), "--jobs", "1", "--json", str(file),
        env={**os.environ, "TWINLOOP_TEST": marker},
        # A run in the background of a shell is started with Ctrl-C ignored; the one under test is in the foreground.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    flag = root / "pairs" / "b_slow_one" / "torch_loop.py.waits"
    deadline = time.monotonic() + 200
    while not flag.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert alive(marker), "there is a worker that could be left behind"
    process.send_signal(how)
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    report = read(file) if file.exists() and file.stat().st_size else Report(0, False, [])
    return Ran(process.returncode, output, errors, report, root)


def gone(marker: str) -> bool:
    """Whether every process with the marker ends within a few seconds."""
    deadline = time.monotonic() + 20
    while alive(marker):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_ctrl_c_reports_what_is_finished_and_leaves_no_process(tmp_path: Path) -> None:
    ran = interrupted(tmp_path, signal.SIGINT, f"interrupted {tmp_path}")
    assert ran.code == 130
    assert ran.errors == ""
    assert "interrupted: 1 of 3 pairs were finished" in ran.output
    assert [(verdict.pair, verdict.status) for verdict in ran.report.verdicts] == [("a_quick_one", "EQUIVALENT")]
    assert not ran.report.passed
    assert gone(f"interrupted {tmp_path}")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_a_killed_command_leaves_no_process_either(tmp_path: Path) -> None:
    ran = interrupted(tmp_path, signal.SIGKILL, f"killed {tmp_path}")
    assert ran.code == -signal.SIGKILL
    assert gone(f"killed {tmp_path}")
