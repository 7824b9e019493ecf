"""What the pages say is so: the pair runs, the changes give their verdicts, commands exist, tables are up to date."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args

import click
import pytest
from corpus import first_of_each
from readme import DOCUMENTS, GROUPS, ORDER, README, ROOT, collection, filled, first_line, modules

from harness.__main__ import main
from harness.contract import recipes
from harness.contract.record import STAGES, causal
from harness.contract.scenario import Scenario
from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.running.pool import Worker
from harness.running.project import KEYS, checked
from harness.verdict import Status, Verdict

pytestmark = pytest.mark.xdist_group("readme")
PAIRS = ROOT / "pairs" / "README.md"
TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
FILES = ("scenario.py", "torch_loop.py", "tensorflow_loop.py")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name_of(path: Path) -> str:
    """A page's path from the root."""
    return path.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


def section(title: str, path: Path = README) -> str:
    """The text below a page's heading, up to the next one of its level."""
    return TEXTS[path].split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    return [found[2] for found in FENCE.finditer(text) if found[1] == language]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pair of the README, in files."""
    made = tmp_path_factory.mktemp("readme") / "linear_momentum"
    made.mkdir()
    sources = blocks(section("A pair, in full"), "python")
    assert len(sources) == len(FILES)
    for name, source in zip(FILES, sources, strict=True):
        (made / name).write_text(source, encoding="utf-8")
    return made


@dataclass(frozen=True)
class Change:
    """One line changed in the README's pair, what a page says then, and the prose around both."""

    removed: str
    added: str
    says: str
    before: str
    after: str

    def files(self, folder: Path) -> list[str]:
        """The files it is made in: the port, or the reference too where the README says that both are meant."""
        holding = [name for name in FILES if self.removed in (folder / name).read_text(encoding="utf-8")]
        return holding if "both files" in self.after else holding[-1:]


def changes(text: str) -> Iterator[Change]:
    """The changes of a page that are followed by a verdict."""
    pattern = re.compile(r"^```diff\n-([^\n]*\n)\+([^\n]*\n)```\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    for found in pattern.finditer(text):
        before = text[: found.start()].rsplit("\n\n", 2)[-2]
        yield Change(found[1], found[2], " ".join(found[3].split()), before, text[found.end() :].split("\n\n")[0])


CHANGES = [change for text in TEXTS.values() for change in changes(text)]


def comparable(sentence: str) -> str:
    """A sentence without the digits that another machine would print otherwise."""
    return re.sub(r"\d+\.\d+(e[+-]?\d+)?|\d+e[+-]?\d+", "#", " ".join(sentence.split()))


def said(verdict: Verdict) -> str:
    return f"{verdict.status} {verdict.sentence}"


def outline(printed: str) -> str:
    """What the command line prints, without the numbers and versions of this machine, and what rounding makes worst."""
    text = re.sub(r"worst excess \S+ \(\S+\)|(?<=EQUIVALENT )[\d.e+-]+", "#", " ".join(printed.split()))
    return re.sub(r"\d+\.[\w.+-]+|(?<=onednn )\w+", "#", text)


@pytest.mark.rounding
def test_the_pair_in_full_prints_what_is_shown(folder: Path) -> None:
    (command,) = re.findall(r"`twinloop (run [^`]+)` prints this", section("A pair, in full"))
    (shown,) = blocks(section("A pair, in full"), "text")
    asked = [sys.executable, "-m", "harness", *command.split(), "--pairs", str(folder.parent)]
    ran = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  # this interpreter
    # What stands there only where there is no terminal, or where legacy Keras is installed as well.
    printed = re.sub(r"tf_keras [\d.]+, ", "", ran.stdout)
    lines = printed.removeprefix("loading torch and TensorFlow …\n").splitlines(keepends=True)
    assert outline("".join(line for line in lines if not line.startswith("… "))) == outline(shown)


def test_an_outline_keeps_what_does_not_depend_on_the_machine() -> None:
    """The twin: a count or a status that differs still shows."""
    (shown,) = blocks(section("A pair, in full"), "text")
    elsewhere = re.sub(r"worst excess .*", "worst excess 11 (outputs)", shown).replace(" 5.2 ", " 11 ")
    assert elsewhere != shown
    assert outline(elsewhere) == outline(shown)
    for find, write in (("20 steps", "19 steps"), ("EQUIVALENT", "DIFFERENT"), ("end", "7"), ("█▂▁▁▁", "█▂▁▁▂")):
        assert find in shown
        assert outline(shown.replace(find, write)) != outline(shown)


def test_every_change_is_tried() -> None:
    shown = len(blocks(section("What a verdict says", PAIRS), "diff"))
    assert shown >= 4
    assert len(CHANGES) == 1 + shown, "the one at the top of README.md, and those"


def test_every_status_is_in_the_table_and_every_one_that_does_not_pass_is_shown() -> None:
    told = [row.split(" | ")[0].strip("| ") for row in rows(TEXTS[README], "verdict")]
    assert sorted(told) == sorted(get_args(Status))
    longest_first = sorted(told, key=len, reverse=True)
    shown = {next(status for status in longest_first if change.says.startswith(status)) for change in CHANGES}
    assert shown == set(told) - {"EQUIVALENT"}


@pytest.mark.rounding
@pytest.mark.parametrize(
    "change",
    first_of_each(CHANGES, lambda change: change.says[:5] == "ERROR", lambda change: change.says.split("  ")[0][:40]),
)
def test_a_changed_line_gives_the_verdict_printed_below_it(
    twinloop_worker: Worker, folder: Path, change: Change
) -> None:
    files = change.files(folder)
    assert files, f"no file of the README's pair holds {change.removed!r}"
    edits = tuple(Edit(name, change.removed, change.added) for name in files)
    verdict = twinloop_worker.ask(Request(str(folder), edits=edits, thorough="--thorough" in change.before))
    assert comparable(said(verdict)) == comparable(change.says)


NINE = Edit("scenario.py", '"momentum": 0.5', '"momentum": 0.9')


@pytest.mark.parametrize(
    ("find", "write", "more", "place"),
    [
        ("learning_rate=lr", "learning_rate=0.05", (), "step 0, params/weight"),
        ("momentum=momentum", "momentum=0.9", (NINE,), "step 1, params/weight"),
        ("momentum=momentum", "momentum=0.5", (), None),
    ],
)
def test_a_hard_coded_number_shows_at_once_unless_float32_holds_it(
    twinloop_worker: Worker, folder: Path, find: str, write: str, more: tuple[Edit, ...], place: str | None
) -> None:
    """At once is the first step that the number has a part in."""
    verdict = twinloop_worker.ask(Request(str(folder), edits=(*more, Edit("tensorflow_loop.py", find, write))))
    assert verdict.status == ("DIFFERENT" if place else "EQUIVALENT"), verdict.sentence
    assert (verdict.first and verdict.first.place) == place


def additions(folder: Path) -> Iterator[Edit]:
    """The changes under "Add a pair", each in the file of the README's pair that holds it."""
    for block in blocks(section("Add a pair", PAIRS), "diff"):
        for hunk in block.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            find, write = ("".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
            (name,) = (name for name in FILES[1:] if find in (folder / name).read_text(encoding="utf-8"))
            yield Edit(name, find, write)


@pytest.mark.rounding
def test_what_the_loops_hold_is_recorded_as_shown(twinloop_worker: Worker, folder: Path) -> None:
    edits = tuple(additions(folder))
    assert {edit.file for edit in edits} == set(FILES[1:])
    verdict = twinloop_worker.ask(Request(str(folder), edits=edits))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    held = {f"{stage}/{name}" for stage in ("grads", "slots/momentum_buffer", "params") for name in ("weight", "bias")}
    assert held | {"lr"} <= {t.tensor for t in verdict.tensors}


@each_page
def test_every_block_of_python_is_python(path: Path) -> None:
    for block in blocks(TEXTS[path], "python"):
        ast.parse(block)


def test_every_block_is_of_a_kind_that_is_tested_or_printed() -> None:
    kinds = {found[1] for text in TEXTS.values() for found in FENCE.finditer(text)}
    assert kinds == {"console", "diff", "python", "text", "toml", "yaml"}
    assert all(text.count("```") == 2 * len(FENCE.findall(text)) for text in TEXTS.values())


def test_every_block_of_toml_is_toml() -> None:
    found = [tomllib.loads(block)["tool"]["twinloop"] for text in TEXTS.values() for block in blocks(text, "toml")]
    shown = [name for table in found for name in checked(Path("pyproject.toml"), table)]
    assert sorted(shown) == sorted(KEYS)


def test_a_key_yielded_before_the_outputs_is_compared_before_them() -> None:
    (shown,) = (block for block in blocks(section("Add a pair", PAIRS), "python") if block.startswith("yield"))
    (record,) = (node for node in ast.walk(ast.parse(shown)) if isinstance(node, ast.Dict) and len(node.keys) == 3)
    keys = [ast.literal_eval(key) for key in record.keys if key]
    assert keys[0] not in STAGES
    assert causal(["batch", *keys]) == ["batch", *keys]


def rows(text: str, head: str) -> list[str]:
    """The rows of the table that begins with this heading."""
    return text.split(f"| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]


def test_every_recipe_is_in_the_table() -> None:
    public = {name for name, made in vars(recipes).items() if getattr(made, "__module__", "") == recipes.__name__}
    shown = {name for row in rows(TEXTS[PAIRS], "recipe") for name in re.findall(r"`(\w+)\(", row.split(" | ")[0])}
    assert shown == {name for name in public if name[0].islower()}


def test_every_field_of_a_scenario_is_shown() -> None:
    in_full = "".join(blocks(section("A pair, in full"), "python")[:1])
    shown = {name for row in rows(TEXTS[PAIRS], "field") for name in re.findall(r"`(\w+)=", row.split(" | ")[0])}
    assert {field.name for field in fields(Scenario)} == shown | set(re.findall(r"^    (\w+)=", in_full, re.M)) | {
        "about"
    }


def test_every_module_is_in_the_table() -> None:
    said = modules()
    for path in (ROOT / "harness").rglob("*.py"):
        if path.stem != "__init__":
            assert f"]({path.relative_to(ROOT / 'harness').as_posix()})" in said


def test_a_module_without_a_place_or_a_first_line_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The twin."""
    monkeypatch.setattr("readme.ORDER", ORDER[1:])
    with pytest.raises(click.ClickException, match="every package of harness"):
        modules()
    monkeypatch.setattr("readme.ROOT", tmp_path)
    (tmp_path / "silent.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(click.ClickException, match=r"silent\.py does not say"):
        first_line(tmp_path / "silent.py")


def prose(text: str) -> str:
    """A page without its generated parts."""
    return re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", text, flags=re.DOTALL)


@each_page
def test_prose_is_wrapped(path: Path) -> None:
    long = [line for line in prose(TEXTS[path]).splitlines() if len(line) > 120 and not line.startswith("|")]
    assert not long


def test_every_page_of_the_repository_is_one_of_these() -> None:
    """So that none goes untested, and each is reached from the front page."""
    found = {
        path for path in ROOT.rglob("README.md") if not any(part[0] == "." for part in path.relative_to(ROOT).parts)
    }
    assert found == set(DOCUMENTS)
    targets = re.findall(r"\]\(([^)#\s]+)\)", section("Read on"))
    assert {ROOT / target for target in targets} == found - {README}


def test_the_front_page_leads_and_is_no_manual() -> None:
    assert len(TEXTS[README].encode()) < 15_000


@each_page
def test_the_generated_parts_are_up_to_date(path: Path) -> None:
    assert filled(TEXTS[path], DOCUMENTS[path]) == TEXTS[path], "run: python tests/readme.py"


@pytest.mark.parametrize(
    ("path", "part"),
    [(path, part) for path, parts in DOCUMENTS.items() for part in parts],
    ids=lambda value: str(value),
)
def test_a_part_that_was_changed_by_hand_is_noticed(path: Path, part: str) -> None:
    """The twin."""
    text, parts = TEXTS[path], DOCUMENTS[path]
    touched = text.replace(f"<!-- {part} -->\n", f"<!-- {part} -->\nby hand\n")
    assert filled(touched, parts) != touched
    assert filled(touched, parts) == filled(text, parts)
    with pytest.raises(click.ClickException, match=f"<!-- {part} -->"):
        filled(text.replace(f"<!-- {part} -->", ""), parts)


def test_a_pair_without_a_group_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setitem(GROUPS, "Vision", "unet")
    with pytest.raises(click.ClickException, match="every pair, once"):
        collection()


def commands() -> list[str]:
    """Every command of a console block, of a workflow's `run:` and of inline code, without comments and settings."""
    lines = [line for text in TEXTS.values() for block in blocks(text, "console") for line in block.splitlines()]
    lines += re.findall(r"run: (.*)", "\n".join(blocks(TEXTS[README], "yaml")))
    lines += (
        line
        for text in TEXTS.values()
        for line in re.findall(r"`((?:twinloop|pytest|python)\s[^`]+)`", FENCE.sub("", prose(text)))
    )
    single = (" ".join(part.split("#")[0].split()) for line in lines for part in line.split("&&"))
    plain = (re.sub(r"^([A-Z_]+=\S+ )+", "", command) for command in single)
    return sorted({command for command in plain if command and not command.startswith("pip install")})


def test_there_are_commands_of_every_kind() -> None:
    starts = {command.split()[0] for command in commands()}
    assert starts >= {"twinloop", "pytest", "python"}


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("twinloop")])
def test_a_command_of_twinloop_exists_with_its_options(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    main.commands[name].make_context(name, arguments)  # raises for an option that is not there


def test_a_command_that_does_not_exist_is_noticed() -> None:
    """The twin."""
    with pytest.raises(click.NoSuchOption):
        main.commands["run"].make_context("run", ["--tolerance", "1e-5"])


def test_the_options_of_pytest_exist() -> None:
    asked = [sys.executable, "-m", "pytest", "--help"]
    printed = subprocess.run(  # noqa: S603  # this very interpreter
        asked, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    known = {
        option.replace("-", "") for option in re.findall(r"(?<!\w)--?[a-z][\w-]*", printed)
    }  # --junit-xml or --junitxml
    for command in (c for c in commands() if c.startswith("pytest")):
        for option in re.findall(r" (--?[a-z][\w-]*)", command):
            assert option.replace("-", "") in known, f"{command}: pytest knows no {option}"


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("python ") and "-m" not in c])
def test_a_script_exists_with_its_options(command: str) -> None:
    _, script, *arguments = shlex.split(command)
    source = (ROOT / script).read_text(encoding="utf-8")
    for argument in arguments:
        if argument.startswith("--"):
            assert f'"{argument}"' in source, f"{script} has no {argument}"


def anchors(path: Path) -> set[str]:
    """What links to a document's headings end with."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", TEXTS[path]))
    assert targets
    for target in targets:
        file, _, anchor = target.partition("#")
        if "://" not in target:
            there = path.parent / file if file else path
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target
