"""Two listings side by side: what belongs together begins on the same row, and no line is cut off."""

from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text


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
