"""SARIF: what is wrong stands on a line of the port, the rules are rows of the table of causes, and validators accept it."""

import importlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_verdicts import ADAM, TENSORFLOW, TORCH, explained, failing, hostile, passing

from harness.diagnosis.causes import table
from harness.report.sarif import OURS, encoded
from harness.report.suspects import Place, beside, calling, function, suspects
from harness.verdict import Curve, Diagnosis, Finding, Verdict

ROOT = Path(__file__).parent.parent
SCHEMAS = [
    Path(__file__).parent / "sarif.schema.json",
    *(Path(named) for named in [os.environ.get("TWINLOOP_SARIF")] if named),
]
"""Our own of what we write, and, where TWINLOOP_SARIF names it, the official one: 3,000 lines that are not kept here."""
ERROR = Verdict(
    "gan:keras", "ERROR", "tensorflow: ValueError: no such layer",
    trace='  File "pairs/gan/tensorflow_loop_keras.py", line 9, in train\n'
    '  File "pairs/gan/tensorflow_loop_keras.py", line 12, in build\nValueError: no such layer',
)  # fmt: skip
RISING = passing("rising", curve=Curve("loss", (1.0, 2.0), (1.0, 2.0)))
EVERY = [
    passing(), failing(), explained(), hostile(), ERROR, RISING,
    replace(passing("unlawful"), findings=(Finding("law", "a rerun is not bitwise identical"),)),
    replace(failing("bookkeeping"), status="EQUIVALENT IN EFFECT"),
    Verdict("nothing", "INCONCLUSIVE", "no step was made"),
]  # fmt: skip


def run(*verdicts: Verdict, folder: str = "pairs") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(encoded(verdicts, folder=folder))["runs"][0]
    return made


def place(result: dict[str, Any]) -> tuple[str, int]:
    physical = result["locations"][0]["physicalLocation"]
    return physical["artifactLocation"]["uri"], physical["region"]["startLine"]


def test_a_cause_stands_on_the_line_of_the_port_and_its_rule_is_the_row() -> None:
    found = run(explained(), passing())
    (result,), (rule,) = found["results"], found["tool"]["driver"]["rules"]
    assert place(result) == ("pairs/adam/tensorflow_loop.py", 6)
    assert (result["ruleId"], result["level"]) == ("adam-eps-default", "error")
    row = table()["adam-eps-default"]
    assert rule["shortDescription"]["text"] == row.sentence
    assert rule["help"]["text"].endswith(f"Write instead: {row.instead}")
    said = result["message"]["text"]
    assert said.startswith("adam: DIFFERENT\ncause (proved): adam-eps-default at the optimizer")
    assert "write instead: faithful.Adam(lr)" in said
    assert said.endswith("again: twinloop run adam --seed 0 --batch-size 4 --lr 0.125")


def test_what_passed_leaves_nothing() -> None:
    assert run(passing(), passing("other")) == run()
    assert not run()["results"]


def test_without_a_line_a_finding_stands_on_the_loop_s_function() -> None:
    apart = failing("apart", findings=())
    assert place(run(apart)["results"][0]) == ("pairs/apart/tensorflow_loop.py", 4)
    unknown = replace(apart, causes=(Diagnosis("", "shown", "grads/layer0.weight", tried=7),))
    (result,) = run(unknown)["results"]
    assert result["ruleId"] == "training-differs"
    assert "none of 7 known mistakes" in result["message"]["text"]
    lost = Verdict("nothing:keras", "INCONCLUSIVE", "no step was made")
    assert place(run(lost)["results"][0]) == ("pairs/nothing/tensorflow_loop_keras.py", 1)


def test_an_error_stands_where_it_was_raised() -> None:
    (result,) = run(ERROR, folder="src/my pairs")["results"]
    assert place(result) == ("src/my%20pairs/gan/tensorflow_loop_keras.py", 12)
    others = [item["physicalLocation"]["region"]["startLine"] for item in result["relatedLocations"]]
    assert others == [9]


def test_every_cause_is_a_result_of_its_own_and_what_is_left_is_none() -> None:
    second = replace(ADAM, cause="loss-sum-for-mean", where="torch_loop.py:7, mse_loss", strength="likely")
    rest = Diagnosis("", "shown", "loss", tried=3)
    found = run(explained(causes=(ADAM, second, rest)))
    assert [item["ruleId"] for item in found["results"]] == ["adam-eps-default", "loss-sum-for-mean"]
    assert [item["ruleIndex"] for item in found["results"]] == [0, 1]
    assert place(found["results"][1]) == ("pairs/adam/tensorflow_loop.py", 7), "the line beside torch's"


def test_a_pair_that_agrees_and_does_not_pass_says_why() -> None:
    unlawful = replace(passing("b"), findings=(Finding("law", "a rerun is not bitwise identical"),))
    found = run(RISING, unlawful)["results"]
    assert {item["ruleId"]: item["level"] for item in found} == {"loss-rises": "warning", "broken-law": "warning"}


def test_hostile_texts_are_text() -> None:
    raw = encoded([replace(hostile(), sentence="[click](https://example.com)\x1b[31m")])
    assert b"](" not in raw
    assert b"\\u001b" not in raw
    assert place(json.loads(raw)["runs"][0]["results"][0])[0].startswith("pairs/%3C%2Fscript%3E")


@pytest.mark.needs("jsonschema")
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_what_is_written_is_valid(schema: Path) -> None:
    jsonschema = importlib.import_module("jsonschema")
    described = json.loads(schema.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(described)(described)
    validator.check_schema(described)
    report = json.loads(encoded(EVERY))
    assert not [error.message for error in validator.iter_errors(report)]
    rules = report["runs"][0]["tool"]["driver"]["rules"]
    assert {item["id"] for item in rules} == {*OURS, "adam-eps-default"}
    report["runs"][0]["results"][0]["level"] = "fatal"
    assert list(validator.iter_errors(report)), "the twin"


def test_the_same_verdicts_give_the_same_bytes() -> None:
    assert encoded(EVERY) == encoded([replace(verdict, seconds=9.0) for verdict in reversed(EVERY)])


def test_lines_are_found_by_what_they_call() -> None:
    assert calling("a = keras.layers.Dense(1)\nb = Dense(2)\nc = Dense\n", {"Dense"}) == [1, 2]
    assert calling("not Python (", {"Dense"}) == []
    assert function(TENSORFLOW) == 4
    assert function("not Python (") == 1
    assert beside(TORCH, TENSORFLOW) == {1: 1, 4: 4, 5: 5, 6: 6}


def test_a_line_that_a_message_names_is_surer_than_one_that_was_found() -> None:
    assert suspects(explained()) == [Place("tensorflow_loop.py", 6, sure=False)]
    named = Finding("float32 leak", "torch: 0.1 goes through float32, tensorflow_loop.py:6")
    assert suspects(explained(findings=(named,))) == [Place("tensorflow_loop.py", 6)]
    many = ADAM.__class__(**{**vars(ADAM), "cause": "bias-omitted", "where": "torch_loop.py:5"})
    layers = "def train():\n" + "    keras.layers.Dense(1)\n" * 9
    crowded = explained(causes=(many,), listings={"torch_loop.py": layers, "tensorflow_loop.py": layers})
    assert suspects(crowded)[-1] == Place("tensorflow_loop.py", 5, sure=False), "of nine the one beside torch's"
