"""What the README says is so: its pair runs, its changes give its verdicts, its commands exist, its tables are up to date."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from readme import PARTS, README, ROOT, filled

from harness.__main__ import main
from harness.pairs import Edit
from harness.runner import Worker
from harness.verdict import Verdict
from harness.worker import Request

pytestmark = pytest.mark.xdist_group("readme")
TEXT = README.read_text(encoding="utf-8")
FILES = ("scenario.py", "torch_loop.py", "tensorflow_loop.py")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


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
    """One line changed in the README's pair, what the README says then, and the prose around both."""

    removed: str
    added: str
    says: str
    before: str
    after: str

    def files(self, folder: Path) -> list[str]:
        """The files it is made in: the port, or the reference too where the README says that both are meant."""
        holding = [name for name in FILES if self.removed in (folder / name).read_text(encoding="utf-8")]
        return holding if "both files" in self.after else holding[-1:]


def changes() -> Iterator[Change]:
    text = section("How to read a verdict")
    pattern = re.compile(r"^```diff\n-(.*?\n)\+(.*?\n)```\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    for found in pattern.finditer(text):
        before = text[: found.start()].rsplit("\n\n", 2)[-2]
        yield Change(found[1], found[2], " ".join(found[3].split()), before, text[found.end() :].split("\n\n")[0])


CHANGES = list(changes())


def comparable(sentence: str) -> str:
    """A sentence without the digits that another machine would print otherwise."""
    return re.sub(r"\d+\.\d+(e[+-]?\d+)?|\d+e[+-]?\d+", "#", " ".join(sentence.split()))


def said(verdict: Verdict) -> str:
    return f"{verdict.status} {verdict.sentence}"


def test_the_pair_in_full_is_equivalent(worker: Worker, folder: Path) -> None:
    verdict = worker.ask(Request(str(folder)))
    (printed,) = blocks(section("A pair, in full"), "text")
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert comparable(printed.replace("linear_momentum", "")) == comparable(said(verdict))


def test_every_change_is_tried() -> None:
    assert len(CHANGES) == len(blocks(section("How to read a verdict"), "diff")) >= 5


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.says.split("  ")[0][:40])
def test_a_changed_line_gives_the_verdict_printed_below_it(worker: Worker, folder: Path, change: Change) -> None:
    files = change.files(folder)
    assert files, f"no file of the README's pair holds {change.removed!r}"
    edits = tuple(Edit(name, change.removed, change.added) for name in files)
    verdict = worker.ask(Request(str(folder), edits=edits, thorough="--thorough" in change.before))
    assert comparable(said(verdict)) == comparable(change.says)


def test_the_generated_parts_are_up_to_date() -> None:
    assert filled(TEXT) == TEXT, "run: python tests/readme.py"


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_changed_by_hand_is_noticed(part: str) -> None:
    """The twin."""
    touched = TEXT.replace(f"<!-- {part} -->\n", f"<!-- {part} -->\nby hand\n")
    assert filled(touched) != touched
    assert filled(touched) == filled(TEXT)
    with pytest.raises(click.ClickException, match=f"<!-- {part} -->"):
        filled(TEXT.replace(f"<!-- {part} -->", ""))


def commands() -> list[str]:
    """Every command of a console block, of a workflow's `run:` and of inline code, without comments."""
    lines = [line for block in blocks(TEXT, "console") for line in block.splitlines()]
    lines += re.findall(r"run: (.*)", "\n".join(blocks(TEXT, "yaml")))
    lines += re.findall(r"`((?:twinloop|pytest|python) [^`\n]+)`", FENCE.sub("", TEXT))
    single = (part.split("#")[0].strip() for line in lines for part in line.split("&&"))
    return sorted({command for command in single if command and not command.startswith("pip install")})


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


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", TEXT), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", TEXT))
    assert targets
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (ROOT / target).exists(), target
