"""What a shell completes names of pairs and causes to."""

import click

from harness.errors import UsageError


def pair_names(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The pairs whose names begin so, for a shell's completion; none where there is no folder of pairs."""
    from harness.running.pairs import discover
    from harness.running.project import project

    try:
        found = discover(context.params.get("root") or project().pairs)
    except UsageError:
        return []
    names = [name for pair in found for name in (pair.name, *(f"{pair.name}:{variant}" for variant in pair.variants))]
    return [name for name in names if name.startswith(begun)]


def cause_ids(_context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The ids of known causes that begin so, for a shell's completion."""
    from harness.diagnosis.causes import table

    return [name for name in table() if name.startswith(begun)]
