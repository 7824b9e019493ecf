"""One table of causes: every id that is used anywhere is a row of it, and what is tried is general."""

import ast
import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from faults import FAULTS
from lazily import Lazily

from harness import faithful
from harness.__main__ import main
from harness.contract.stages import STAGES
from harness.diagnosis import given
from harness.diagnosis.causes import TABLE, KnownCause, cause, find, table
from harness.diagnosis.search import OF_RELATIONS
from harness.errors import UsageError
from harness.running.pairs import discover

calls, listed, loops, optimizers = (
    Lazily(f"harness.mutations.{name}") for name in ("calls", "listed", "loops", "optimizers")
)
ROOT = Path(__file__).parent.parent
RULES = [ROOT / "harness" / "diagnosis" / name for name in ("given.py", "search.py")]
RULES += sorted((ROOT / "harness" / "mutations").glob("*.py"))
RULES += sorted((ROOT / "harness" / "fixing").glob("*.py"))


def ids_in(source: str) -> set[str]:
    """The ids in a scenario's traps=[...]."""
    return {
        part
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword) and node.arg == "traps"
        for part in ast.literal_eval(node.value)
    }


def test_a_row_has_as_many_keys_as_its_type_has_fields_and_rows_stand_in_order() -> None:
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    fields = [field.name for field in dataclasses.fields(KnownCause)]
    assert all(list(row) == fields for row in rows)
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    assert len(TABLE.read_text(encoding="utf-8").splitlines()) == len(rows) + 2


@pytest.mark.parametrize("row", table().values(), ids=lambda row: row.id)
def test_a_row_says_something_in_every_field(row: KnownCause) -> None:
    assert all(getattr(row, field.name) for field in dataclasses.fields(row))
    assert set(row.stages) <= set(STAGES)
    assert row.sentence.endswith(".")


def test_what_to_write_instead_is_there_and_short() -> None:
    """It is read as "write instead: ...": code to write, or a few words, and no name that does not exist."""
    for row in table().values():
        assert not row.instead.endswith("."), row.id
        assert len(row.instead) <= 140, row.id
        assert set(re.findall(r"faithful\.(\w+)", row.instead)) <= set(faithful.__all__), row.id


def test_every_trap_that_a_scenario_names_is_a_row() -> None:
    used = {pair.name: ids_in((pair.folder / "scenario.py").read_text("utf-8")) for pair in discover(ROOT / "pairs")}
    assert sum(map(len, used.values())) > 100, "the search finds them"
    assert not {(pair, name) for pair, names in used.items() for name in names if name not in table()}


def test_every_fault_s_cause_is_a_row() -> None:
    assert not {fault.cause for fault in FAULTS} - set(table())


def test_every_cause_that_is_tried_is_a_row() -> None:
    assert not set(listed.tried()) - set(table())
    assert not set(OF_RELATIONS.values()) - set(table())


def test_an_id_that_is_no_row_is_found() -> None:
    """The twin."""
    assert ids_in("scenario = Scenario(traps=['adam-epsilon'])") - set(table()) == {"adam-epsilon"}
    with pytest.raises(UsageError, match="did you mean adam-eps-default"):
        cause("adam-eps-defualt")


def test_changes_are_told_apart_by_name_and_cause() -> None:
    names = [(item.name, item.cause) for item in (*calls.CHANGES, *optimizers.CHANGES, *loops.HABITS)]
    assert len(set(names)) == len(names)


def test_what_is_tried_with_what_is_given_is_listed() -> None:
    source = (ROOT / "harness" / "diagnosis" / "given.py").read_text(encoding="utf-8")
    named = {name for name in table() if f'"{name}"' in source}
    assert named == set(listed.GIVEN)
    assert given.layouts.__doc__


def foreign(source: str, words: set[str]) -> set[str]:
    """Those of some words that stand as a text of their own in a file."""
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return {word for word in words if word in texts}


def test_no_rule_mentions_a_pair_a_fault_or_a_tensor() -> None:
    pairs = discover(ROOT / "pairs")
    weights = [scenario.weights for pair in pairs if isinstance((scenario := pair.scenario()).weights, Mapping)]
    tensors = {name for names in weights for name in names if "." in name}
    words = {pair.folder.name for pair in pairs} | {fault.name for fault in FAULTS} | tensors
    words -= {"amsgrad"}  # an argument of torch's, after which a pair is called
    assert len(tensors) > 100
    for path in RULES:
        assert not foreign(path.read_text(encoding="utf-8"), words), path.name


def test_a_rule_for_one_pair_alone_is_found() -> None:
    """The twin."""
    assert foreign("if pair == 'gan': return 'fc.weight'", {"gan", "fc.weight", "vae"}) == {"gan", "fc.weight"}


def test_causes_are_searched_and_explained_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(main, ["causes", "LayerNorm's", "epsilon"])
    assert result.exit_code == 0
    assert "layernorm-eps-default" in result.output
    assert "1 cause; " in result.output
    result = CliRunner().invoke(main, ["explain", "layernorm-eps-default"])
    row = table()["layernorm-eps-default"]
    assert all(text in result.output for text in (row.sentence, row.torch, row.tensorflow, row.naive, row.instead))
    result = CliRunner().invoke(main, ["causes", "no", "such", "thing"])
    assert result.exit_code == 2
    assert len(find(())) == len(table())
