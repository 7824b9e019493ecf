"""Verdicts in the terminal: live progress, a table, what was seen, and two loops side by side."""

from collections.abc import Iterable, Sequence
from itertools import takewhile, zip_longest

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from harness.contract.stages import stage, stage_of
from harness.report import wording
from harness.verdict import LARGEST, Verdict, finite

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
        Text(verdict.pair, overflow="fold"),
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


def details(verdict: Verdict) -> Iterable[RenderableType]:
    """What a reader must know beyond the table: why not, what was noted, how to see it again."""
    if not verdict.passed:
        yield Text.assemble((verdict.pair, "bold"), "  ", (verdict.status, STYLES[verdict.status]))
        yield Text(f"  {verdict.sentence}")
        yield from (Text(f"  {line}") for line in notes(verdict))
        if verdict.trace:
            yield Text("  " + "\n  ".join(verdict.trace.rstrip().splitlines()[-12:]), "dim")
        if verdict.problem:
            yield Text(f"  again: {verdict.reproduce}", "dim")
    for finding in verdict.findings:
        if finding.kind != "bookkeeping":
            yield Text(f"  {verdict.pair}: {finding.kind}: {finding.sentence}", "dim")
    if verdict.sensitivity:
        yield Text("\n".join(tried(verdict)), "dim")


def notes(verdict: Verdict) -> Iterable[str]:
    """What is told below the sentence of a verdict that does not pass: why, how much, what else differs there, what agreed."""
    yield from (line for item in verdict.causes for line in wording.diagnosis(item))
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
    elif first.stage == "outputs" and set(before) <= {"batch"}:
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
    return (
        f"{verdict.curve.quantity} does not fall: its mean over an epoch goes from {first[0]:.6g} to {last[0]:.6g} in torch, "
        f"from {first[1]:.6g} to {last[1]:.6g} in tensorflow"
    )


def header(verdict: Verdict) -> str:
    """Versions and settings on one line."""
    return ", ".join(f"{name} {value}" for name, value in verdict.header.items())


def text(verdict: Verdict) -> str:
    """A verdict as plain text, for an assertion's message."""
    console = Console(width=120, no_color=True, highlight=False)
    with console.capture() as capture:
        if verdict.passed:
            console.print(f"{verdict.pair}  {verdict.status}\n  {verdict.sentence}", markup=False, soft_wrap=True)
        for line in details(verdict):
            console.print(line, soft_wrap=True)
    return capture.get()


def side_by_side(left: str, right: str, titles: tuple[str, str], width: int) -> RenderableType:
    """Two listings in two columns, their blocks lined up wherever both have as many."""
    half = (width - 3) // 2
    grid = Table.grid(padding=(0, 1), pad_edge=False)
    grid.add_column(width=half, no_wrap=False, overflow="fold")
    grid.add_column(width=1, style="dim")
    grid.add_column(width=half, no_wrap=False, overflow="fold")
    grid.add_row(Text(titles[0], "bold"), "", Text(titles[1], "bold"))
    for a, b in zip(*aligned(left, right), strict=True):
        for rows in zip_longest(folded(colored(a), half), folded(colored(b), half), fillvalue=Text()):
            grid.add_row(rows[0], "│", rows[1])
    return Group(grid)


def colored(line: str) -> Text:
    """One line of Python, coloured."""
    made = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(line)
    made.rstrip()
    made.no_wrap, made.overflow = False, "fold"  # as Syntax gives it, it would be cut off at the column's end
    return made


def folded(line: Text, width: int) -> list[Text]:
    """A line on as many rows as it needs, broken behind a space where there is one, and the further rows indented.

    >>> [str(row) for row in folded(Text("loss = criterion(outputs, y)"), 20)]
    ['loss = criterion(', '    outputs, y)']
    """
    start = len(line.plain) - len(line.plain.lstrip())
    indent, rows = min(start + 4, width // 2), []
    while len(line.plain) > width:
        cut = 1 + max(line.plain.rfind(mark, start, width) for mark in " (")
        row, line = line.divide([cut or width])
        rows.append(row)
        line, start = Text.assemble(" " * indent, line), indent
    return [*rows, line]


def aligned(left: str, right: str) -> tuple[list[str], list[str]]:
    """Both listings padded with empty lines, so that what belongs together begins on the same row.

    Definitions are lined up with definitions, and inside them block n with block n, wherever both sides have as many.

    >>> aligned("a\\n\\nb", "a\\nc\\n\\nb")
    (['a', '', '', 'b'], ['a', 'c', '', 'b'])
    """
    columns: tuple[list[str], list[str]] = ([], [])
    for definitions in matched(left.strip("\n").split("\n\n\n"), right.strip("\n").split("\n\n\n")):
        if columns[0]:
            extend(columns, [""], [""])
        parts = definitions[0].split("\n\n"), definitions[1].split("\n\n")
        for number, blocks in enumerate(zip(*parts, strict=True) if len(parts[0]) == len(parts[1]) else [definitions]):
            if number or columns[0]:
                extend(columns, [""], [""])
            extend(columns, blocks[0].split("\n"), blocks[1].split("\n"))
    return columns


def matched(left: list[str], right: list[str]) -> list[tuple[str, str]]:
    """Definitions in pairs; where one side has more, its surplus joins whatever stands before the last one."""
    common = len(left) if len(left) == len(right) else 1
    before = "\n\n\n".join(left[:-common]), "\n\n\n".join(right[:-common])
    return [*([before] if len(left) != len(right) else []), *zip(left[-common:], right[-common:], strict=True)]


def extend(columns: tuple[list[str], list[str]], left: list[str], right: list[str]) -> None:
    """Add rows to both columns, the shorter one filled up."""
    height = max(len(left), len(right))
    columns[0].extend(left + [""] * (height - len(left)))
    columns[1].extend(right + [""] * (height - len(right)))
