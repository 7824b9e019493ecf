"""What is printed of verdicts and of loops: no number that means nothing, no line cut off, and where to look next."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_verdicts import CODES, explained, hostile, passing
from rich.console import Console

from harness.report.side_by_side import side_by_side
from harness.report.terminal import close, details, excess_text, show, table, text, tried
from harness.report.text import HIDDEN
from harness.report.wording import difference
from harness.verdict import LARGEST, Curve, Difference, Finding, Moment, Sensitivity, TensorSummary, Verdict

PAIRS = sorted((Path(__file__).parent.parent / "pairs").glob("*/torch_loop.py"))


def different(stage: str, recorded: str, **changes: Any) -> Verdict:
    """DIFFERENT by a value of this stage, from loops that record these stages."""
    first = Difference(3, stage, f"{stage}/w", "values", (0,), "1.0", "2.0", 1.0, 0.5, 1e6)
    tensors = tuple(TensorSummary(f"{name}/w", 1.0, 0, 0.0, 0.0, 1.0) for name in recorded.split())
    verdict = Verdict("mine", "DIFFERENT", difference(first), steps=6, first=first, excess=1e7, tensors=tensors)
    return replace(verdict, excess_tensor="params/w", curve=Curve("loss"), **changes)


def lines(verdict: Verdict) -> list[str]:
    """What is printed below the sentence."""
    return [line.strip() for line in text(verdict).splitlines()[2:]]


ALL = "batch outputs loss grads clipped slots params"
AGREED = "agreed before it in this step: "


@pytest.mark.parametrize(
    ("stage", "recorded", "said"),
    [
        ("params", ALL, [AGREED + "batch, outputs, loss, grads, clipped, slots"]),
        ("params", "loss grads slots params", [AGREED + "loss, grads, slots"]),
        (
            "params",
            "batch outputs loss grads params",
            [
                AGREED + "batch, outputs, loss, grads",
                "not recorded: clipped, slots; yield what there is of them to see where it enters",
            ],
        ),
        (
            "params",
            "loss params",
            [
                AGREED + "loss",
                "not recorded: grads, clipped, slots; yield what there is of them to see where it enters",
            ],
        ),
        ("loss", "loss params", ["not recorded: outputs; yield what there is of them to see where it enters"]),
        ("loss", "outputs loss", [AGREED + "outputs"]),
        (
            "outputs",
            "batch outputs loss",
            [
                AGREED + "batch",
                'yield layer outputs under a key of your own before "outputs", such as "hidden": {"conv1": h}, '
                "to see which layer it is",
            ],
        ),
        ("outputs", "batch hidden outputs loss", [AGREED + "batch, hidden"]),
        ("hidden", "hidden outputs loss", []),
        ("grads", ALL, [AGREED + "batch, outputs, loss"]),
    ],
)
def test_a_difference_is_narrowed_down(stage: str, recorded: str, said: list[str]) -> None:
    worst = "largest difference there 1, relative 5.0e-01; worst of the whole run: params/w, excess 1e+07"
    assert lines(different(stage, recorded)) == [worst, *said]


def test_what_is_accepted_did_not_agree() -> None:
    accepted = Finding("accepted", "grads/w: up to 1e-3, accepted", "grads/w", 0)
    assert AGREED + "loss, slots" in lines(different("params", "loss grads slots params", findings=(accepted,)))


@pytest.mark.parametrize("kind", ["missing", "extra", "shape", "dtype", "precision", "length"])
def test_what_has_no_size_gets_no_excess(kind: str) -> None:
    first = Difference(0, "grads", "grads/w", kind, torch="a", tensorflow="b")
    verdict = replace(different("grads", ALL), first=first, sentence=difference(first), excess=5.0)
    assert excess_text(verdict) == ""
    assert lines(verdict) == []


def test_an_infinite_excess_is_not_called_the_worst() -> None:
    assert lines(different("grads", "loss grads", excess=LARGEST)) == [
        "largest difference there 1, relative 5.0e-01",
        AGREED + "loss",
    ]
    assert excess_text(different("grads", "loss grads", excess=LARGEST)) == "∞"


def summaries(*names: str, step: int = 3) -> tuple[TensorSummary, ...]:
    """Tensors that differ from this step on."""
    return tuple(TensorSummary(name, 1.0, 0, 0.0, 0.0, 1.0, step) for name in names)


def test_all_that_differs_in_the_first_step_and_stage_is_listed() -> None:
    tensors = (*summaries("grads/w", "grads/v", "params/w"), *summaries("grads/u", step=4))
    assert "differs there too: grads/v" in lines(replace(different("grads", "grads"), tensors=tensors))
    many = summaries(*(f"grads/{n}" for n in range(30)))
    (said,) = [line for line in lines(replace(different("grads", "grads"), tensors=many)) if "there too" in line]
    assert said.endswith("grads/11 and 18 more")


def test_beside_a_field_that_is_not_there_all_that_differs_in_its_step_is_listed() -> None:
    verdict = different("grads", "grads")
    first = Difference(3, "hidden", "hidden", "missing")
    verdict = replace(verdict, first=first, tensors=summaries("grads/w", "params/w"))
    assert "differs there too: grads/w, params/w" in lines(verdict)


def test_the_first_element_is_named_beside_the_worst() -> None:
    verdict = different("grads", "grads")
    assert verdict.first is not None
    begun = replace(verdict, first=replace(verdict.first, begins=(2, 0)))
    assert "the first element that differs there: [2, 0]" in lines(begun)
    assert not any("first element" in line for line in lines(verdict))


def test_the_step_is_told_of() -> None:
    assert "step 24 opens epoch 3" in lines(different("grads", "grads", moment=Moment(24, 3, opens=True)))
    assert lines(different("grads", "grads", moment=Moment(24, 3))) == lines(different("grads", "grads"))


def test_a_mistake_noticed_in_whole_numbers_names_their_tensor() -> None:
    trials = (
        Sensitivity("x swapped", "order", True, 0, "batch/w", LARGEST),
        Sensitivity("one epoch fewer", "length", True, 9, "length", LARGEST),
    )
    _, order, length = tried(replace(different("grads", "batch grads"), sensitivity=trials))
    assert order.endswith("at step 0 in batch/w")
    assert length.endswith("at step 9")


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("width", [60, 100])
def test_no_character_is_lost_where_two_loops_do_not_fit(path: Path, width: int) -> None:
    left, right = (path.with_name(name).read_text(encoding="utf-8") for name in ("torch_loop.py", "tensorflow_loop.py"))
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(side_by_side(left, right, ("", ""), width))
    rows, half = capture.get().splitlines()[1:], (width - 3) // 2
    assert all(len(row) <= width for row in rows)
    assert {row[half + 1] for row in rows} == {"│"}
    assert squeezed("".join(row[:half] for row in rows)) == squeezed(left)
    assert squeezed("".join(row[half + 2 :] for row in rows)) == squeezed(right)


def squeezed(text: str) -> str:
    """A text without its spaces."""
    return "".join(text.split())


@pytest.mark.parametrize("width", [140, 80, 60])
def test_a_narrow_table_gives_up_columns_and_breaks_no_name(width: int) -> None:
    import io

    names = ["masked_language_model:plain_keras", "physics_informed"]
    judged = [Verdict(name, "EQUIVALENT IN EFFECT", "", steps=1200, seconds=12.3) for name in names]
    said = io.StringIO()
    Console(file=said, width=width).print(table(judged, width))
    printed = said.getvalue().splitlines()
    assert len(printed) == 3
    assert all(name in line for name, line in zip(names, printed[1:], strict=True))
    assert all("EQUIVALENT IN EFFECT" in line for line in printed[1:])
    assert ("seconds" in printed[0]) == (width >= 140)


def shown(width: int, **settings: Any) -> list[str]:
    console = Console(width=width, **settings)
    with console.capture() as capture:
        for part in details(explained(trace="  File torch_loop.py\n    " + "x = " * 40)):
            show(console, part)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_failure_is_told_with_what_where_why_and_what_to_write() -> None:
    said = shown(200, no_color=True)
    assert said[0] == "adam  DIFFERENT"
    assert said[1].startswith("  step 3, grads/layer0.weight[1, 2]: torch 0.5, tensorflow 0.25;")
    assert said[2].startswith("  cause (proved): adam-eps-default at the optimizer:")
    assert said[3] == "  tensorflow_loop.py:6 has: optimizer = keras.optimizers.Adam(lr)"
    assert said[4] == "  write instead: faithful.Adam(lr)"
    assert said[5].startswith("  evidence: in this step and up to two more the reference with eps 1e-07 for 1e-08")
    assert said[-1] == "  again: twinloop run adam --seed 0 --batch-size 4 --lr 0.125"


def test_a_terminal_breaks_lines_between_words_and_code_not_at_all() -> None:
    wide, narrow = (shown(width, force_terminal=True, color_system=None) for width in (1000, 60))
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(wide).split())
    assert max(len(line) for line in narrow if "x = " not in line and "again:" not in line) <= 60
    assert all(line.startswith("  ") for line in narrow[1:])
    assert [line for line in narrow if "x = " in line] == [line for line in wide if "x = " in line]


def test_a_log_keeps_every_sentence_on_one_line() -> None:
    """The twin: what is no terminal breaks nothing."""
    assert shown(60, no_color=True) == shown(1000, no_color=True)


def test_a_loss_that_rises_names_the_rate_and_what_to_say_in_the_scenario() -> None:
    (said,) = lines(passing("up", curve=Curve("loss", (1.0, 2.0), (1.0, 2.5))))[:1]
    assert said == (
        "loss does not fall: its mean over an epoch goes from 1 to 2 in torch, from 1 to 2.5 in tensorflow; "
        'lower the rate (lr 0.125), or say in the scenario why it may rise: may_rise="..."'
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_texts_hide_nothing_and_have_an_end_in_a_terminal(terminal: bool) -> None:
    console = Console(width=100, force_terminal=terminal, color_system=None)
    with console.capture() as capture:
        close(console, [hostile()])
    said = capture.get()
    assert not HIDDEN.search(said.replace("\n", ""))
    assert "\\x1b[31mred\\x00" in said.replace("\n", "").replace(" ", "")
    assert max(map(len, said.splitlines())) < 5000
    assert HIDDEN.search(CODES), "the twin"
