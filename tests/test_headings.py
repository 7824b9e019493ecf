"""The command line's help and a shell's completion: every command stands under a heading, and names are completed."""

from pathlib import Path

import plain_pair
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from harness.__main__ import main
from harness.commands import headings


def completed(*words: str, begun: str) -> list[str]:
    made = ShellComplete(main, {}, "twinloop", "_TWINLOOP_COMPLETE")
    return [item.value for item in made.get_completions(list(words), begun)]


def test_every_command_stands_under_a_heading_once() -> None:
    named = [name for names in headings.COMMANDS.values() for name in names]
    assert set(main.commands) <= set(named)
    assert len(named) == len(set(named))
    said = CliRunner().invoke(main, ["--help"]).output
    places = [said.index(f"{title}:") for title in headings.COMMANDS]
    assert places == sorted(places)
    assert headings.FURTHER not in said
    assert said.count("Run pairs step by step and judge them; all of them if none is named.") == 1, "not cut off"


def test_a_command_without_a_heading_is_shown_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(headings, "COMMANDS", {"Judge": ("run",)})
    said = CliRunner().invoke(main, ["--help"]).output
    assert said.index("Judge:") < said.index("  run ") < said.index(f"{headings.FURTHER}:") < said.index("  merge ")


def test_a_shell_completes_commands_pairs_and_causes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gan", "gan_mnist", "vae"):
        plain_pair.write(tmp_path / "pairs", name)
    monkeypatch.chdir(tmp_path)
    assert completed(begun="co") == ["compare"]
    assert completed("run", begun="ga") == ["gan", "gan_mnist"]
    assert completed("run", "--pairs", str(tmp_path / "pairs"), begun="v") == ["vae"]
    assert completed("explain", begun="adam-eps") == [
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-eps-inside-sqrt",
    ]
    assert "--html" in completed("run", begun="--h")
    monkeypatch.chdir("/")
    assert completed("run", begun="") == []
