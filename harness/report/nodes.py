"""What verdicts were reached with: versions and settings in a line; of a mixed fleet one for each kind of node."""

from collections.abc import Sequence

from harness.errors import counted
from harness.verdict import Verdict

NODE = "node"
"""Where a verdict's header names the machine of a cluster."""


def settings(verdict: Verdict) -> dict[str, str]:
    """A verdict's header without the node's name."""
    return {name: value for name, value in verdict.header.items() if name != NODE}


def kinds(verdicts: Sequence[Verdict]) -> list[tuple[dict[str, str], str, int]]:
    """Header and hardware of every kind of node, with how many verdicts it has reached, most first.

    Without a cluster all verdicts are of one kind, that of the first.
    """
    known = [verdict for verdict in verdicts if settings(verdict)]
    if not any(NODE in verdict.header for verdict in known):
        return [(settings(first), first.machine, len(known)) for first in known[:1]]
    found: dict[tuple[tuple[tuple[str, str], ...], str], int] = {}
    for verdict in known:
        key = tuple(settings(verdict).items()), verdict.machine
        found[key] = found.get(key, 0) + 1
    return [
        (dict(header), machine, count) for (header, machine), count in sorted(found.items(), key=lambda item: -item[1])
    ]


def told(verdicts: Sequence[Verdict]) -> list[str]:
    """The lines that a report ends with: one where all verdicts were reached with the same, as on one machine."""
    every = kinds(verdicts)
    if not every:
        return []
    first = every[0][0]
    common = ", ".join(f"{name} {value}" for name, value in first.items())
    if len(every) == 1:
        return [common]
    lines = [f"a mixed fleet, so that rounding may differ from node to node: {common}"]
    for header, machine, count in every:
        other = {name: value for name, value in header.items() if first.get(name) != value}
        lines.append(f"{counted(count, 'pair')} on {', '.join([machine, *(f'{n} {v}' for n, v in other.items())])}")
    return lines
