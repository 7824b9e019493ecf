"""Verdicts in the terminal: a table, and of what does not pass one screen with what, where, why and what to write."""

from collections.abc import Iterable, Sequence
from itertools import takewhile

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.contract.stages import stage, stage_of
from harness.report import wording
from harness.report.text import readable
from harness.verdict import LARGEST, Diagnosis, Verdict, finite

STYLES = {
    "EQUIVALENT": "green",
    "EQUIVALENT IN EFFECT": "yellow",
    "DIFFERENT": "red",
    "INCONCLUSIVE": "yellow",
    "ERROR": "red",
}
BARS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], width: int = 12) -> str:
    """A curve as a line of bars, lowest to highest.

    >>> spark([3.0, 2.0, 1.0])
    '█▅▁'
    """
    if not values:
        return ""
    picked = [
        finite(values[round(i * (len(values) - 1) / max(1, min(width, len(values)) - 1))])
        for i in range(min(width, len(values)))
    ]
    low, high = min(picked), max(picked)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in picked)


LONGEST = 4000
"""Characters of a line that are printed."""

COLUMNS = ("pair", "verdict", "excess", "steps", "holds to", "rule", "loss", "seconds")
NUMBERS = {"excess", "steps", "holds to", "seconds"}
GIVEN_UP = ("seconds", "loss", "steps", "rule", "holds to", "excess")
"""What a narrow table goes without, the first first: no name is broken for it."""


def table(verdicts: Iterable[Verdict], width: int | None = None) -> Table:
    """One line per pair: which agree, how surely, and over how many steps. width: of the terminal, in columns."""
    rows, endless = [cells(verdict) for verdict in verdicts], Console(width=10_000)
    left = list(COLUMNS)
    for column in (*GIVEN_UP, ""):
        made = Table(box=None, header_style="bold", pad_edge=False)
        for name in left:
            made.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
        for row in rows:
            made.add_row(*(row[name] for name in left))
        if width is None or not column or Measurement.get(endless, endless.options, made).maximum <= width:
            break
        left.remove(column)
    return made


def cells(verdict: Verdict) -> dict[str, Text]:
    """A pair's line, by column."""
    horizon = "end" if verdict.horizon is None else f"step {verdict.horizon}"
    falls = verdict.curve.falls if verdict.curve.judged else True
    rule = {"four runs": "", "nudged float32": "float32 only", "nudged float64": "float64 only"}[verdict.rule]
    made = (
        Text(readable(verdict.pair), overflow="fold"),
        Text(verdict.status, STYLES[verdict.status]),
        Text(excess_text(verdict)),
        Text(str(verdict.steps) if verdict.steps else ""),
        Text(horizon if verdict.agrees else ""),
        Text(rule + (" resync" if verdict.mode == "resync" else "")),
        Text(spark(verdict.curve.tensorflow) + ("" if falls else " rises"), "" if falls else "red"),
        Text(f"{verdict.seconds:.1f}"),
    )
    return dict(zip(COLUMNS, made, strict=True))


def excess_text(verdict: Verdict) -> str:
    """The excess as it stands in a table."""
    if not verdict.measured:
        return ""
    return "∞" if verdict.excess >= LARGEST else f"{verdict.excess:.2g}"


def close(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print what stands at the end of a run: the table, and of each verdict what must be known beyond it."""
    console.print()
    console.print(table(verdicts, console.width))
    for verdict in verdicts:
        if not verdict.passed:
            console.print()
        for part in details(verdict):
            show(console, part)


def details(verdict: Verdict) -> Iterable[Text]:
    """What a reader must know beyond the table: why not, what was noted, how to see it again. Code is not to be wrapped."""
    if not verdict.passed:
        yield Text.assemble((verdict.pair, "bold"), "  ", (verdict.status, STYLES[verdict.status]))
        yield Text(f"  {verdict.sentence}")
        for item in verdict.causes:
            yield from (Text(f"  {line}", style) for line, style in explanation(verdict, item))
        yield from (Text(f"  {line}") for line in remarks(verdict))
        if verdict.trace:
            yield from (Text(f"  {line}", "dim", no_wrap=True) for line in verdict.trace.rstrip().splitlines()[-12:])
        if verdict.problem:
            yield Text(f"  again: {verdict.reproduce}", "dim", no_wrap=True)
    for finding in verdict.findings:
        if finding.kind != "bookkeeping":
            yield Text(f"  {verdict.pair}: {finding.kind}: {finding.sentence}", "dim")
    if verdict.sensitivity:
        yield from (Text(line, "dim", no_wrap=True) for line in tried(verdict))


def show(console: Console, line: Text) -> None:
    """Print a line; in a terminal it is broken between words, the further rows indented, and code not at all."""
    line = legible(line)
    indent = len(line.plain) - len(line.plain.lstrip())
    if line.no_wrap or not console.is_terminal:
        console.print(line, soft_wrap=True)
    else:
        console.print(Padding(line[indent:] if indent else line, (0, 0, 0, indent), expand=False))


def legible(line: Text) -> Text:
    """The line if nothing in it is hidden or endless, or else what it says in one style."""
    plain = line.plain if len(line.plain) <= LONGEST else f"{line.plain[:LONGEST]}... ({len(line.plain)} characters)"
    plain = readable(plain, lines=True)
    return line if plain == line.plain else Text(plain, line.style, no_wrap=line.no_wrap)


def explanation(verdict: Verdict, item: Diagnosis) -> Iterable[tuple[str, str]]:
    """A cause, line by line with its style: what it is, what stands in the port, what to write instead, the evidence."""
    from harness.report.suspects import lines  # needed only where something differs

    first, *rest = wording.diagnosis(item)
    yield first, ""
    yield from ((f"{where} has: {code}", "") for where, code in lines(verdict, item))
    if item.cause:
        yield f"write instead: {item.instead}", "bold green"
    yield from ((line, "") for line in rest)


def notes(verdict: Verdict) -> Iterable[str]:
    """What is told below the sentence of a verdict that does not pass: the cause, and all ``remarks``."""
    yield from (line for item in verdict.causes for line, _ in explanation(verdict, item))
    yield from remarks(verdict)


def remarks(verdict: Verdict) -> Iterable[str]:
    """What is told beside the cause: that a loss rises, how much differs, what else differs there, what agreed."""
    yield from map(verdict.said, unnamed(verdict))


def unnamed(verdict: Verdict) -> Iterable[str]:
    """The same, about torch and tensorflow whatever the sides are called."""
    if rises(verdict):
        yield rise(verdict)
    if verdict.first is not None and verdict.first.kind == "values":
        worst = f"; worst of the whole run: {verdict.excess_tensor}, excess {excess_text(verdict)}"
        yield f"largest difference there {verdict.first.gap:.3g}, relative {verdict.first.relative:.1e}" + (
            worst if verdict.excess < LARGEST else ""
        )
    if verdict.first is not None and verdict.first.begins:
        yield f"the first element that differs there: {wording.element(verdict.first.begins)}"
    if others := beside(verdict):
        yield f"differs there too: {wording.listed(others)}"
    if verdict.moment is not None and (said := wording.moment(verdict.moment)):
        yield said
    yield from around(verdict)


def beside(verdict: Verdict) -> list[str]:
    """The other tensors that differ at the first disagreement's step and stage; beside a field that is not there, at its step."""
    first = verdict.first
    if first is None:
        return []
    there = [summary.tensor for summary in verdict.tensors if summary.first_step == first.step]
    every = first.kind in wording.ENDS
    return [name for name in there if name != first.tensor and (every or stage_of(name) == first.stage)]


def around(verdict: Verdict) -> Iterable[str]:
    """What narrows a difference down: what agreed before it, and what the loops could record to narrow it further."""
    first = verdict.first
    if verdict.status != "DIFFERENT" or first is None or first.kind not in ("values", "exact", "not finite"):
        return
    accepted = {stage_of(finding.tensor) for finding in verdict.findings if finding.kind == "accepted"}
    before = [name for name in takewhile(lambda name: name != first.stage, verdict.stages) if name not in accepted]
    if before:
        yield f"agreed before it in this step: {', '.join(before)}"
    if any(finding.kind in ("map", "not recorded") for finding in verdict.findings):
        return  # nobody yields anything, or the map has said which layer it is
    between = reversed(stage(first.stage).between)
    unrecorded = [*takewhile(lambda name: name not in verdict.stages, between)][::-1]
    if unrecorded:
        yield f"not recorded: {', '.join(unrecorded)}; yield what there is of them to see where it enters"
    elif first.stage == "outputs" and set(before) <= {"batch"} and not any(item.cause for item in verdict.causes):
        yield (
            'yield layer outputs under a key of your own before "outputs", '
            'such as "hidden": {"conv1": h}, to see which layer it is'
        )


def tried(verdict: Verdict) -> list[str]:
    """What became of the mistakes made on purpose: how many were noticed, and of each kind the faintest, a line each."""
    noticed = [trial for trial in verdict.sensitivity if trial.noticed]
    missed = [trial.mistake for trial in verdict.sensitivity if not trial.noticed]
    first = f"  {verdict.pair}: {len(noticed)} of {len(verdict.sensitivity)} mistakes made on purpose were noticed"
    first += f"; not noticed: {', '.join(missed)}" if missed else ""
    faintest = {
        kind: min((trial for trial in noticed if trial.kind == kind), key=lambda trial: trial.excess)
        for kind in dict.fromkeys(trial.kind for trial in noticed)
    }
    recorded = {summary.tensor for summary in verdict.tensors}  # an early end is noticed in none
    width = max((len(trial.mistake) for trial in faintest.values()), default=0)
    return [f"{first}; of each kind the faintest:" if faintest else first] + [
        f"    {kind:<15}{trial.mistake:<{width}}  at step {trial.step}"
        + (f" in {trial.tensor}" if trial.tensor in recorded or trial.excess < LARGEST else "")
        + (f", {trial.excess:.1e} times what rounding explains" if trial.excess < LARGEST else "")
        for kind, trial in faintest.items()
    ]


def rises(verdict: Verdict) -> bool:
    """Whether a loss does not fall where it must, though the two train the same."""
    return verdict.agrees and verdict.curve.judged and not verdict.curve.falls


def rise(verdict: Verdict) -> str:
    """The sentence for a curve that does not fall."""
    first, last = ([side[i] for side in (verdict.curve.torch, verdict.curve.tensorflow)] for i in (0, -1))
    rate = f" (lr {verdict.problem['lr']})" if "lr" in verdict.problem else ""
    return (
        f"{verdict.curve.quantity} does not fall: its mean over an epoch goes from {first[0]:.6g} to {last[0]:.6g} in torch, "
        f"from {first[1]:.6g} to {last[1]:.6g} in tensorflow; lower the rate{rate}, or say in the scenario why it may rise: "
        'may_rise="..."'
    )


def text(verdict: Verdict) -> str:
    """A verdict as plain text, for an assertion's message."""
    console = Console(width=120, no_color=True, highlight=False)
    with console.capture() as capture:
        if verdict.passed:
            show(console, Text(f"{verdict.pair}  {verdict.status}\n  {verdict.sentence}"))
        for line in details(verdict):
            show(console, line)
    return capture.get()
