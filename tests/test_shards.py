"""Shards and comparisons: parts of a run put together as if one had run it all, and a report beside an earlier one."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import plain_pair
import pytest
from click.testing import CliRunner, Result
from report_verdicts import failing, passing

import harness.running.pool
from harness.__main__ import main
from harness.errors import UsageError
from harness.report.compare import BAD, compare
from harness.report.json import read, write
from harness.report.shards import Shard, shard
from harness.verdict import Sensitivity, Verdict

NAMES = tuple("abcdefg")
ROOT = Path(__file__).parent.parent
FORMATS = ("json", "html", "markdown", "sarif")


def options(files: Mapping[str, Path]) -> list[str | Path]:
    """The options that write these."""
    return [part for name, file in files.items() for part in (f"--{name}", file)]


def twinloop(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("total", [1, 2, 3, 7, 9])
def test_every_pair_is_in_one_shard_and_in_no_other(total: int) -> None:
    parts = [Shard(number, total).of(NAMES) for number in range(1, total + 1)]
    assert sorted(name for part in parts for name in part) == sorted(NAMES)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "2/", "/3", "a/3", "2/-3", "1.5/3"])
def test_what_is_no_shard_gets_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="such as 2/8 for the second of eight"):
        shard(text)


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pairs whose verdicts are made up: one of them differs."""

    class Pool:
        def __init__(self, *_: Any) -> None: ...

        def run(self, requests: Sequence[Any], _on_event: Any, on_verdict: Any) -> None:
            for request in requests:
                name = request.pair.name
                on_verdict(request, failing(name) if name == "c" else passing(name))

    monkeypatch.setattr(harness.running.pool, "Pool", Pool)
    monkeypatch.setenv("COLUMNS", "140")
    for name in NAMES:
        plain_pair.write(tmp_path / "pairs", name)
    return tmp_path / "pairs"


def sharded(pairs: Path, folder: Path, total: int) -> list[Path]:
    """The files of all shards."""
    folder.mkdir()
    files = [folder / f"{number}.json" for number in range(1, total + 1)]
    for number, file in enumerate(files, start=1):
        done = twinloop("run", "--pairs", pairs, "--shard", f"{number}/{total}", "--json", file)
        assert done.exit_code in (0, 1), done.output
    return files


@pytest.mark.parametrize("total", [2, 3, 9])
def test_merged_shards_are_one_run_byte_for_byte(pairs: Path, tmp_path: Path, total: int) -> None:
    whole, merged = ({name: tmp_path / f"{what}.{name}" for name in FORMATS} for what in ("whole", "merged"))
    ran = twinloop("run", "--pairs", pairs, *options(whole))
    sharded(pairs, tmp_path / "parts", total)
    done = twinloop("merge", tmp_path / "parts", "--pairs", pairs, *options(merged))
    assert (done.exit_code, ran.exit_code) == (1, 1), done.output
    for name in FORMATS:
        assert merged[name].read_bytes() == whole[name].read_bytes(), name
    assert "grads/layer0.weight[1, 2]: torch 0.5, tensorflow 0.25" in done.output, "what failed is told as by run"


def test_a_shard_that_is_killed_in_the_middle_leaves_what_it_had_judged(pairs: Path, tmp_path: Path) -> None:
    files = sharded(pairs, tmp_path / "parts", 2)
    files[0].unlink()
    code = (
        "import os, signal, sys\n"
        "sys.path.insert(0, 'tests')\n"
        "import harness.running.pool\n"
        "from harness.__main__ import main\n"
        "from report_verdicts import passing\n"
        "class Pool:\n"
        "    def __init__(self, *_): pass\n"
        "    def run(self, requests, on_event, on_verdict):\n"
        "        for request in requests[:2]: on_verdict(request, passing(request.pair.name))\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "harness.running.pool.Pool = Pool\n"
        f"main(['run', '--pairs', {str(pairs)!r}, '--shard', '1/2', '--json', {str(files[0])!r}])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)  # noqa: S603
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    done = twinloop("merge", tmp_path / "parts", "--json", tmp_path / "merged.json")
    assert done.exit_code == 1
    assert "2 pairs without a verdict: e, g" in done.output
    assert not read(tmp_path / "merged.json").passed


def test_a_missing_shard_and_one_that_was_killed_are_named(pairs: Path, tmp_path: Path) -> None:
    files = sharded(pairs, tmp_path / "parts", 3)
    files[1].unlink()
    killed = read(files[0])
    write(files[0], killed.verdicts[:1], complete=False, asked=killed.asked, shard=killed.shard)
    out = tmp_path / "merged.json"
    done = twinloop("merge", tmp_path / "parts", "--json", out)
    assert done.exit_code == 1
    assert "4 pairs without a verdict: b, d, e, g; there is no file of shard 2/3" in done.output
    assert not read(out).passed
    assert [verdict.pair for verdict in read(out).verdicts] == ["a", "c", "f"]


def test_files_that_do_not_belong_together_are_refused(pairs: Path, tmp_path: Path) -> None:
    one = sharded(pairs, tmp_path / "parts", 2)
    other = tmp_path / "other.json"
    other.write_bytes(one[0].read_bytes())
    for files, sentence in (
        ([one[0], other], "are both shard 1/2"),
        ([one[0], pairs / "a" / "scenario.py"], "is no report that `twinloop run --json` has written whole"),
        ([tmp_path / "pairs"], "there is no JSON file in"),
    ):
        done = twinloop("merge", *files)
        assert done.exit_code == 2
        assert sentence in " ".join(done.output.split())
    twinloop("run", "a", "b", "--pairs", pairs, "--shard", "2/2", "--json", other)
    assert "were asked for different pairs" in twinloop("merge", one[0], other).output
    one[0].write_bytes(one[0].read_bytes()[:500])
    assert twinloop("merge", *one).exit_code == 2


def test_a_shard_without_a_pair_says_so_and_merges(pairs: Path, tmp_path: Path) -> None:
    done = twinloop("run", "a", "--pairs", pairs, "--shard", "2/2", "--json", tmp_path / "2.json")
    assert (done.exit_code, done.output) == (0, "of 1 pair none is in shard 2/2\n")
    twinloop("run", "a", "--pairs", pairs, "--shard", "1/2", "--json", tmp_path / "1.json")
    assert twinloop("merge", tmp_path / "1.json", tmp_path / "2.json").exit_code == 0


def test_laws_are_sharded_too(tmp_path: Path) -> None:
    for name in NAMES:
        plain_pair.write(tmp_path / "pairs", name)
    (tmp_path / "test_pairs.py").write_text("from harness.laws import *\n", encoding="utf-8")
    words = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "--twinloop-shard", "2/3"]
    done = subprocess.run(  # noqa: S603  # this very interpreter
        [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = {line.partition("[")[2].rstrip("]") for line in done.stdout.splitlines() if "[" in line}
    assert found == {"b", "e"}


SOUND = passing("sound")


def changes(tmp_path: Path, old: list[Verdict], new: list[Verdict]) -> list[tuple[str, str]]:
    for name, verdicts in (("old", old), ("new", new)):
        write(tmp_path / f"{name}.json", verdicts)
    return [(change.pair, change.kind) for change in compare(tmp_path / "old.json", tmp_path / "new.json")]


def noticed(*names: str) -> tuple[Sensitivity, ...]:
    return tuple(Sensitivity(name, "hyperparameter", True, 0, "loss", 1e6) for name in names)


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ([SOUND], [SOUND], []),
        ([SOUND], [replace(SOUND, excess=SOUND.excess * 1.5, seconds=SOUND.seconds + 0.5)], []),
        ([SOUND], [failing("sound")], ["worse"]),
        ([failing("sound")], [SOUND], ["better"]),
        ([SOUND], [], ["gone"]),
        ([], [SOUND], ["new"]),
        ([replace(SOUND, excess=2.0)], [replace(SOUND, excess=90.0)], ["looser"]),
        ([replace(SOUND, excess=90.0)], [replace(SOUND, excess=2.0)], ["tighter"]),
        ([replace(SOUND, seconds=2.0)], [replace(SOUND, seconds=6.0)], ["slower"]),
        ([replace(SOUND, seconds=6.0)], [replace(SOUND, seconds=2.0)], ["faster"]),
        ([SOUND], [replace(SOUND, horizon=1)], ["seen less"]),
        ([SOUND], [replace(SOUND, rule="nudged float32")], ["seen less"]),
        (
            [replace(SOUND, sensitivity=noticed("lr", "clip"))],
            [replace(SOUND, sensitivity=noticed("lr"))],
            ["seen less"],
        ),
        (
            [replace(SOUND, sensitivity=noticed("lr"))],
            [replace(SOUND, sensitivity=noticed("lr", "clip"))],
            ["seen more"],
        ),
    ],
)
def test_what_has_changed_is_told_by_its_kind(
    tmp_path: Path, old: list[Verdict], new: list[Verdict], kinds: list[str]
) -> None:
    assert [kind for _, kind in changes(tmp_path, old, new)] == kinds
    done = twinloop("compare", tmp_path / "old.json", tmp_path / "new.json")
    assert done.exit_code == bool(BAD & set(kinds))
    assert all(kind in done.output for kind in kinds)
