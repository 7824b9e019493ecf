"""Markdown, JSON and event files: what fails is told first and never cut off, what others read is as it is described."""

import importlib
import json
import struct
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import plain_pair
import pytest
from click.testing import CliRunner, Result
from report_verdicts import HOSTILE, explained, failing, hostile, passing

from harness import verdict as verdicts_module
from harness.__main__ import main
from harness.errors import UsageError
from harness.plugin import PAIR, Reports, Twin, properties
from harness.report import markdown
from harness.report import tensorboard as event_files
from harness.report.files import Wanted
from harness.report.json import FORMAT, SCHEMA, encoded, read, schema, write
from harness.report.terminal import text
from harness.report.text import HIDDEN, put
from harness.running.pairs import Pair
from harness.verdict import Verdict

MANY = [passing(f"sound{i}") for i in range(300)] + [failing(f"apart{i}") for i in range(300)]


def test_markdown_tells_what_fails_first() -> None:
    page = markdown.render([passing(), failing(), explained()], markdown.COMMENT)
    assert "- tensorflow_loop.py:6 has <code>optimizer = keras.optimizers.Adam(lr)</code>\n" in page
    assert "- **write instead:** <code>faithful.Adam(lr)</code>\n- evidence: in this step" in page
    page = markdown.render([passing(), failing()], markdown.COMMENT)
    assert page.startswith("## ❌ twinloop: 1 of 2 pairs passed\n\n| pair |")
    assert page.index("| apart |") < page.index("| sound |") < page.index("### apart: DIFFERENT")
    assert "### sound" not in page
    assert "```sh\ntwinloop run apart --seed 0 --batch-size 4 --lr 0.125\n```" in page
    assert "torch 2.13.0" in page


def test_markdown_is_cut_before_github_cuts_and_by_severity() -> None:
    page = markdown.render(MANY, markdown.COMMENT)
    assert len(page.encode()) <= markdown.COMMENT < 65_536
    assert all(f"| apart{i} |" in page for i in range(300))
    assert "| sound1 |" not in page
    assert "Left out, because no more fits here: 300 rows and the details of " in page
    whole = markdown.render(MANY, markdown.SUMMARY)
    assert len(whole.encode()) <= markdown.SUMMARY < 2**20
    assert "Left out" not in whole
    assert all(f"### apart{i}:" in whole for i in range(300))


def test_one_row_too_many_is_left_out_and_said() -> None:
    """The twin: even failures are cut where they alone are too many."""
    page = markdown.render(MANY[300:], 5000)
    assert len(page.encode()) <= 5000
    assert 0 < page.count("| apart") < 300
    assert "Left out" in page


def test_a_step_summary_keeps_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n" * 100, encoding="utf-8")
    markdown.summarize(file, [passing()])
    assert file.read_text(encoding="utf-8").startswith("before\nbefore")
    assert file.read_text(encoding="utf-8").count("1 of 1 pairs passed") == 1


def test_hostile_texts_are_no_markup_and_mention_nobody() -> None:
    page = markdown.render([hostile()], markdown.COMMENT)
    fences = page.split("```")
    outside = "".join(fences[::2])
    for mark in ("<script", "<img", "@me", "`x`", "\x1b", "\u202e", "\x00"):
        assert mark not in outside
    assert all(line.count("|") == 6 for line in page.splitlines() if line.startswith("|"))
    assert len(page.encode()) <= markdown.COMMENT
    assert markdown.fenced("a\n```\nb") == "````\na\n```\nb\n````\n"


def test_what_markdown_makes_something_of_would_be_found() -> None:
    """The twin: the text holds what is looked for."""
    assert "<script" in HOSTILE
    assert "@me" in HOSTILE
    assert markdown.escaped("snake_case: 1e-6 [2, 0]") == "snake_case: 1e-6 [2, 0]"


def test_json_holds_everything_and_reads_back_the_same(tmp_path: Path) -> None:
    write(tmp_path / "report.json", [failing()])
    back = read(tmp_path / "report.json").verdicts[0]
    assert back == failing()
    raw = json.loads((tmp_path / "report.json").read_bytes())["verdicts"][0]
    assert set(raw) == {item.name for item in fields(Verdict)}
    for name in ("recording", "first", "curve"):
        assert set(raw[name]) == {item.name for item in fields(getattr(back, name))}


def test_the_schema_is_that_of_the_types() -> None:
    assert SCHEMA.read_bytes() == schema(), "run: python -m harness.report.json"
    described = json.loads(schema())
    assert f"format {FORMAT}" in described["title"]
    plain = {name for name, item in vars(verdicts_module).items() if is_dataclass(item) and isinstance(item, type)}
    assert plain | {"Report"} == set(described["$defs"])


@pytest.mark.needs("jsonschema")
def test_what_is_written_fits_the_schema() -> None:
    jsonschema = importlib.import_module("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes()))
    validator.check_schema(validator.schema)
    report = json.loads(encoded([passing(), failing(), Verdict("a", "ERROR", "it raised")]))
    assert not list(validator.iter_errors(report))
    report["verdicts"][0]["status"] = "FINE"
    assert list(validator.iter_errors(report))


def test_event_files_hold_both_losses_as_two_runs_of_one_chart(tmp_path: Path) -> None:
    event_files.write(tmp_path, [failing("gan:keras"), failing("gan_keras"), Verdict("a", "ERROR", "it raised")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gan_keras", "gan_keras_1"]
    curves = {
        run: read_events(tmp_path / "gan_keras" / run / event_files.FILE)
        for run in ("torch", "tensorflow", "difference")
    }
    expected = failing().recording.losses["loss"]
    assert curves["torch"] == {"loss": dict(enumerate(pytest.approx(value, rel=1e-6) for value in expected.torch))}
    assert curves["tensorflow"].keys() == {"loss"}
    assert curves["difference"].keys() == {"difference of loss", "what rounding explains of loss", "excess"}
    assert curves["difference"]["excess"][19] == pytest.approx(1e7)


def read_events(path: Path) -> dict[str, dict[int, float]]:
    """The values of an event file by tag and step."""
    curves: dict[str, dict[int, float]] = {}
    left = path.read_bytes()
    while left:
        (length,) = struct.unpack("<Q", left[:8])
        data, left = left[12 : 12 + length], left[16 + length :]
        event = fields_of(data)
        for value in fields_of(event.get(5, b"")).values():
            tag, (number,) = fields_of(value)[1].decode(), struct.unpack("<f", fields_of(value)[2])
            curves.setdefault(tag, {})[event.get(2, 0)] = number
    return curves


def fields_of(data: bytes) -> dict[int, Any]:
    """A message of Protocol Buffers by the numbers of its fields."""
    found, at = {}, 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte, at = data[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        name, kind = divmod(varint(), 8)
        size = {0: 0, 1: 8, 2: 0, 5: 4}[kind]
        size = varint() if kind == 2 else size
        found[name], at = (data[at : at + size], at + size) if kind else (varint(), at)
    return found


def test_an_event_file_is_what_tensorboard_s_own_writer_makes_of_it() -> None:
    """The bytes are those that RecordWriter and Event of tensorboard 2.21 make of the same points."""
    written = event_files.events({"loss": [2.0, None, 0.0]}, 200)
    assert written.hex() == (
        "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc985129"
        "0f000000000000006d532b092a0d0a0b0a046c6f737315000000406948f44e"
        "1b000000000000001a0d9e130900000000000079401090032a0d0a0b0a046c6f73731500000000733598b5"
    )
    assert event_files.events({"loss": [1e200]}, 1) == event_files.events({"loss": [event_files.FLOAT32]}, 1)


def test_no_name_of_a_pair_leaves_the_folder() -> None:
    for name in ("../../etc", "/etc/x", "a/b", "..", ".", "", HOSTILE):
        assert "/" not in event_files.fit(name)
        assert not event_files.fit(name).startswith(".")
        assert event_files.fit(name)


def test_reports_load_no_framework(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from pathlib import Path\n"
        "from report_verdicts import failing, passing\n"
        "from harness.report.files import Wanted\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "wanted = Wanted(folder / 'a.json', folder / 'a.html', folder / 'a.md', folder / 'a.sarif', folder / 'tb')\n"
        "wanted.check(); wanted.write([failing(), passing()], complete=True)\n"
        "print(sorted({'torch', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 6 + 4


def test_the_same_verdicts_give_the_same_bytes_in_every_format(tmp_path: Path) -> None:
    """No time, no path, no order of arrival; JSON alone holds the seconds that a pair took, which compare asks for."""
    for name, seconds in (("once", 1.0), ("again", 2.0)):
        folder = tmp_path / name
        folder.mkdir()
        wanted = Wanted(folder / "a.json", folder / "a.html", folder / "a.md", folder / "a.sarif", folder / "tb")
        wanted.write([replace(verdict, seconds=seconds) for verdict in (failing(), passing())], complete=True)
    once, again = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in sorted((tmp_path / name).rglob("*"))
            if path.is_file()
        }
        for name in ("once", "again")
    )
    assert once.keys() == again.keys()
    assert {path for path in once if once[path] != again[path]} == {Path("a.json")}
    assert once[Path("a.json")].replace(b'"seconds": 1.0', b'"seconds": 2.0') == again[Path("a.json")]


def test_a_file_is_whole_or_as_it_was_and_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, link = tmp_path / "report.md", tmp_path / "link.md"
    put(file, b"first")
    file.chmod(0o640)
    link.symlink_to(file)
    put(link, b"second")
    assert file.read_bytes() == b"second"
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640

    def broken(*_: Any) -> None:
        raise OSError("killed")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="killed"):
        put(file, b"third")
    assert file.read_bytes() == b"second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.md", "report.md"]


class Pool:
    """Stands in for harness.running.pool.Pool: says that every pair is sound, and looks at a file before each."""

    file: Path
    seen: list[int | None]

    def __init__(self, *_: Any) -> None:
        Pool.seen = []

    def run(self, requests: Any, _on_event: Any, on_verdict: Any) -> None:
        for request in requests:
            there = Pool.file.is_file()
            Pool.seen.append(len(read(Pool.file).verdicts) if there else None)
            assert not there or not read(Pool.file).passed
            on_verdict(request, passing(request.pair.name))


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pairs a, b and c, none of which is ever run."""
    monkeypatch.setattr("harness.running.pool.Pool", Pool)
    Pool.file = tmp_path / "report.json"
    for name in ("a", "b", "c"):
        plain_pair.write(tmp_path / "pairs", name)
    return tmp_path / "pairs"


def twinloop(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_json_is_there_as_verdicts_come(pairs: Path) -> None:
    assert twinloop("run", "--pairs", pairs, "--json", Pool.file).exit_code == 0
    assert Pool.seen == [None, 1, 2]
    assert read(Pool.file).passed
    assert len(read(Pool.file).verdicts) == 3


def test_standard_output_holds_the_json_and_nothing_else(pairs: Path) -> None:
    done = twinloop("run", "--pairs", pairs, "a", "--json", "-")
    assert json.loads(done.stdout)["passed"]
    assert "1 of 1 pair is equivalent" in done.stderr
    both = twinloop("run", "--pairs", pairs, "--json", "-", "--markdown", "-")
    assert both.exit_code == 2
    assert "only one report can go to standard output" in both.stderr


def test_a_step_on_github_gets_a_summary_unasked(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert twinloop("run", "--pairs", pairs).exit_code == 0
    assert "3 of 3 pairs passed" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert twinloop("run", "--pairs", pairs).exit_code == 0


@pytest.mark.parametrize("option", ["json", "html", "markdown", "sarif"])
def test_a_report_that_cannot_be_written_is_said_before_anything_runs(option: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--{option} .*missing/report: cannot be written: No such file"):
        Wanted(**{option: tmp_path / "missing" / "report"}).check()
    Wanted(**{option: tmp_path / "report"}).check()
    assert not list(tmp_path.iterdir())


def test_help_shows_reports_under_a_heading_of_their_own() -> None:
    said = twinloop("run", "--help").output
    assert said.index("Options:") < said.index("--seed") < said.index("Reports:") < said.index("--html")
    assert said.count("--json") == 1


def test_a_law_that_breaks_is_in_the_report_with_a_verdict_or_without(tmp_path: Path) -> None:
    reports = Reports(Wanted(json=tmp_path / "a.json"), writes=True)
    encoded_sound = msgspec.json.encode(passing()).decode()
    for name, failed, verdict in (("sound", False, encoded_sound), ("sound", True, None), ("lost", True, None)):
        report = SimpleNamespace(user_properties=[(PAIR, name)], failed=failed, nodeid="test_laws.py::test_x")
        if verdict:
            report.twinloop_verdict = verdict
        reports.pytest_runtest_logreport(report)
    lost, sound = reports.found()
    assert (lost.pair, lost.status) == ("lost", "ERROR")
    assert sound.status == "EQUIVALENT"
    assert not sound.passed
    assert [finding.sentence for finding in sound.findings] == ["test_laws.py::test_x failed"]


def test_the_laws_of_a_pair_that_differs_tell_the_cause(tmp_path: Path) -> None:
    class Asked:
        def ask(self, request: Any) -> Verdict:
            return explained() if request.explain else failing()

    twin = Twin(Pair(tmp_path), Asked())
    assert "write instead: faithful.Adam(lr)" in text(twin.verdict)
    assert "cause" not in text(twin.ask()), "the twin: other problems are many, and each would cost a search"


def test_another_process_passes_on_what_it_has() -> None:
    report = SimpleNamespace(user_properties=[(PAIR, "sound")], failed=False, nodeid="x", twinloop_verdict="...")
    Reports(Wanted(), writes=False).pytest_runtest_logreport(report)
    assert report.twinloop_verdict == "..."


def test_what_junit_shows_is_readable() -> None:
    shown = dict(properties([failing(), passing()]))
    assert shown["twinloop.torch"] == "2.13.0"
    assert shown["twinloop.apart.verdict"] == "DIFFERENT"
    assert shown["twinloop.apart.excess"] == "1e+07"
    assert shown["twinloop.apart.parts_at"] == "step 3, grads/layer0.weight"
    assert shown["twinloop.sound.passed"] == "true"
    assert "twinloop.sound.parts_at" not in shown
    assert not any(HIDDEN.search(text) for pair in properties([hostile()]) for text in pair)
    found = dict(properties([explained()]))
    assert found["twinloop.adam.cause"] == "adam-eps-default (proved) at the optimizer"
    assert found["twinloop.adam.instead"] == "faithful.Adam(lr)"
