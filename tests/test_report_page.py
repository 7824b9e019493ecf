"""The page that people look at: one small file, nothing in it but text, and it works in a real browser."""

import base64
import builtins
import json
import os
import re
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import driven, needs_browser
from report_verdicts import CODES, HOSTILE, LONG, explained, failing, hostile, passing

from harness.errors import UsageError
from harness.report import html
from harness.report.files import Wanted
from harness.report.text import HIDDEN, readable
from harness.verdict import Finding, Verdict


def unpacked(page: str) -> list[dict[str, Any]]:
    """What a page holds of every pair."""
    packed = re.findall(r'<script type="application/octet-stream" id="data-\d+">([^<]*)</script>', page)
    return [json.loads(zlib.decompress(base64.b64decode(text), -15)) for text in packed]


def texts(value: Any) -> list[str]:
    """Every text in a nest of lists and dicts, keys too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_what_fails_comes_first_and_every_pair_is_told_whole() -> None:
    page = html.page([passing(), failing()])
    apart, sound = unpacked(page)
    assert (apart["pair"], sound["pair"]) == ("apart", "sound")
    assert apart["first"]["tensor"] == "grads/layer0.weight"
    assert apart["command"] == "twinloop run apart --seed 0 --batch-size 4 --lr 0.125"
    assert apart["listing"]["suspects"] == [[], [[6, True]]]
    assert apart["printed"] == "one line\nanother"
    assert [tensor["name"] for tensor in apart["tensors"] if tensor["worst"]] == ["grads/layer0.weight"]
    assert ["machine", "Linux, a processor, 2 cores"] in sound["header"]
    assert sound["sensitivity"][0]["noticed"]
    assert "1 of 2 pairs passed" in page


def test_a_cause_is_told_with_its_evidence_what_stands_there_and_what_to_write() -> None:
    adam, apart = unpacked(html.page([explained(), failing()]))
    (cause,) = adam["causes"]
    assert (cause["cause"], cause["strength"]) == ("adam-eps-default", "proved")
    assert cause["evidence"].endswith("the reference with eps 1e-07 for 1e-08 is the port")
    assert cause["lines"] == [["tensorflow_loop.py:6", "optimizer = keras.optimizers.Adam(lr)"]]
    assert cause["instead"] == "faithful.Adam(lr)"
    assert [name for name, _ in cause["sides"]] == ["PyTorch", "TensorFlow", "a plain port"]
    assert adam["listing"]["suspects"] == [[], [[6, False]]]
    assert not any("adam-eps" in line for line in adam["notes"]), "it is told once"
    assert not apart["causes"]


def test_a_listing_keeps_the_line_numbers_of_the_files() -> None:
    listing = unpacked(html.page([failing()]))[0]["listing"]
    assert [row[0] for row in listing["rows"] if row[0]] == [1, 4, 5, 6]
    assert listing["rows"][-1] == [6, "        yield {}", 6, "        yield {1 / 0}"]


def test_a_curve_of_excess_is_kept_to_a_hundredth_of_a_decade() -> None:
    apart = unpacked(html.page([failing()]))[0]
    curve = next(tensor["excess"] for tensor in apart["tensors"] if tensor["name"] == "grads/layer0.weight")
    assert curve[3:] == [700] * 17
    assert all(abs(value) < 200 for value in curve[:3])


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = html.page([passing(), failing()])
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", page)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page)
    assert "default-src 'none'" in page


def test_hostile_texts_are_text_and_nothing_in_them_is_hidden() -> None:
    page = html.page([hostile()])
    assert "<script>document" not in page
    assert "<img" not in page
    assert not HIDDEN.search(page.replace("\n", ""))
    found = texts(unpacked(page))
    assert any("\\x1b[31mred\\x00\\u202ereversed\\ud800" in text for text in found)
    assert not any(HIDDEN.search(text.replace("\n", "").replace("\t", "")) for text in found)
    assert any("characters)" in text for text in found)
    assert len(page) < 300_000


def test_what_hides_would_be_found() -> None:
    """The twin: the search finds what stands in the verdict."""
    assert HIDDEN.search(CODES)
    assert readable(CODES) == "\\x1b[31mred\\x00\\u202ereversed\\ud800"
    assert len(readable(LONG)) < 500


def test_the_same_verdicts_give_the_same_bytes() -> None:
    verdicts = [passing(), failing()]
    assert html.page(verdicts) == html.page([replace(verdict, seconds=9.0) for verdict in reversed(verdicts)])


def test_forty_pairs_stay_below_a_megabyte() -> None:
    forty = [passing(f"pair{i}", steps=60, tensors=25, seed=i) for i in range(40)]
    page = html.page(forty)
    assert len(page.encode()) < 1_000_000
    assert len(unpacked(page)) == 40


def test_what_is_too_large_is_drawn_coarser_and_the_largest_excess_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = failing(steps=400), passing()
    whole = sum(map(len, html.fitted([long, short])))
    monkeypatch.setattr(html, "LARGEST_PAGE", whole * 2 // 3)
    page = html.page([long, short])
    assert sum(map(len, html.fitted([long, short]))) <= whole * 2 // 3
    apart, sound = unpacked(page)
    assert apart["stride"] > 1
    assert sound["stride"] == 1
    assert max(max(tensor["excess"]) for tensor in apart["tensors"]) == 700
    assert len(apart["tensors"][0]["excess"]) * apart["stride"] >= 400


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.html"
    html.write(file, [passing()])
    before = file.read_bytes()

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fdopen", broken)
    with pytest.raises(OSError, match="full"):
        html.write(file, [failing()])
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_without_jinja2_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "jinja2":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'twinloop\[html\]'"):
        Wanted(html=tmp_path / "report.html").check()
    assert not list(tmp_path.iterdir())


def test_a_broken_law_does_not_pass() -> None:
    broken = passing(findings=(Finding("law", "test_laws.py::test_other_seeds failed"),))
    assert not broken.passed
    assert "0 of 1 pairs passed" in html.page([broken])
    assert "breaks a law" in html.page([broken])


def clicked(verdicts: list[Verdict], script: str, folder: Path) -> list[str]:
    return driven(html.page(verdicts), script, folder)


@needs_browser
def test_a_reader_filters_sorts_opens_a_pair_and_walks_through_its_steps(tmp_path: Path) -> None:
    said = clicked(
        [passing(), failing(), passing("another")],
        """
        const names = () => [...document.querySelectorAll("#pairs tbody tr:not([hidden]) a")].map((a) => a.textContent);
        const set = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("input")); };
        const $ = (id) => document.getElementById(id);
        say(names());
        set("words", "sound"); say(names()); set("words", "");
        $("failed").click(); say(names(), $("shown").textContent); $("failed").click();
        const head = document.querySelector("#pairs th button");
        head.click(); head.click(); say(names());
        document.querySelector("#pairs tbody a[href='#pair-0']").click(); await pause(300);
        say(document.activeElement.textContent, $("overview").hidden);
        const slider = document.querySelector("input[type=range]"), output = document.querySelector(".player output");
        say(slider.value, output.textContent.split(":")[0]);
        slider.value = 0; slider.dispatchEvent(new Event("input")); say(slider.getAttribute("aria-valuetext").split(",")[0]);
        say([...document.querySelectorAll(".stages .first")].map((item) => item.firstChild.nextSibling.textContent));
        say([...document.querySelectorAll(".map details[open] > summary .label")].map((item) => item.textContent));
        say([...document.querySelectorAll(".suspect")].map((item) => item.textContent.trim()));
        const titles = [...document.querySelectorAll("h3")].map((title) => title.textContent);
        say(document.querySelectorAll(".plot canvas").length, titles.join(";"));
        history.back(); await pause(300); say($("overview").hidden);
        """,
        tmp_path,
    )
    assert said[:5] == ["apart,another,sound", "sound", "apart 1 of 3 pairs", "sound,apart,another", "apart true"]
    assert said[5] == "3 step 3 of 20"
    assert said[6] == "step 0 of 20: 13 tensors agree"
    assert said[7:10] == ["grads", "grads (3),layer0 (2)", "6▶         yield {1 / 0}"]
    assert said[10] == (
        "2 Findings;Stages of a step, in causal order;Loss;Excess by tensor and step;What differs, and its worst elements;"
        "The two loops;What the loops printed;To see it again"
    )
    assert said[11:] == ["false"]


@needs_browser
def test_hostile_texts_are_shown_as_they_are(tmp_path: Path) -> None:
    script = """
    await open("#pair-0");
    say(document.title, document.images.length, document.querySelectorAll("main script, main iframe").length);
    say(document.querySelector("#pair-title").textContent.startsWith("</script><script>"));
    say(document.documentElement.scrollWidth <= innerWidth);
    await open("#");
    say(document.querySelector("#pairs a").textContent.startsWith("</script><script>"));
    """
    said = clicked([hostile(), passing()], script, tmp_path)
    assert said == ["twinloop: 1 of 2 pairs passed 0 0", "true", "true", "true"], HOSTILE


@needs_browser
def test_an_error_of_the_page_would_be_seen(tmp_path: Path) -> None:
    """The twin: what the two above rest on."""
    assert clicked([passing()], "document.querySelector('nothing').click()", tmp_path)[0].startswith("ERROR")


@needs_browser
def test_forty_pairs_are_there_in_less_than_five_seconds(tmp_path: Path) -> None:
    page = html.page([passing(f"pair{i}", steps=60, tensors=25, seed=i) for i in range(40)])
    began = time.perf_counter()
    script = "await open('#pair-7'); say(document.querySelectorAll('.map canvas').length > 100);"
    said = driven(
        page, script + "say(performance.timing.domInteractive - performance.timing.navigationStart < 5000);", tmp_path
    )
    assert said == ["true", "true"]
    assert time.perf_counter() - began < 120  # the browser's own start on a busy machine included


@needs_browser
@pytest.mark.skipif("TWINLOOP_AXE" not in os.environ, reason="TWINLOOP_AXE does not name axe-core's axe.min.js")
def test_axe_finds_nothing_serious(tmp_path: Path) -> None:
    script = """
    for (const theme of ["light", "dark"]) for (const hash of ["#", "#pair-0", "#pair-1"]) {
      document.getElementById("theme").value = theme;
      document.getElementById("theme").dispatchEvent(new Event("input"));
      await open(hash);
      document.querySelectorAll("details").forEach((item) => { item.open = true; });
      const found = await axe.run(document, { resultTypes: ["violations"] });
      say(found.violations.filter((item) => ["serious", "critical"].includes(item.impact)).map((item) => item.id));
    }
    document.querySelector("main").insertAdjacentHTML("beforeend", "<img src='data:,'>");
    say((await axe.run(document)).violations.map((item) => item.id).includes("image-alt"));
    """
    axe = Path(os.environ["TWINLOOP_AXE"]).read_text(encoding="utf-8")
    said = driven(html.page([passing(), explained()]), script, tmp_path, library=axe)
    assert said == [""] * 6 + ["true"]
