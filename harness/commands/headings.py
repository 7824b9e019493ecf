"""The command line's help, with commands and options under headings."""

from typing import Any

import click

from harness.commands.options import PARAMETERS
from harness.errors import UsageError, instead

COMMANDS = {
    "Judge": ("run", "record", "fuzz", "merge", "compare", "doctor"),
    "Find out why": ("show", "explain", "causes", "map", "fix", "repro"),
    "Write a port": ("new", "list", "faithful"),
}
"""Which commands stand under which heading of `twinloop --help`; one that is not there is left out."""

WHOLE_SENTENCE = 300
"""Characters of a command's first sentence that are shown: more than any has."""

FURTHER = "Further commands"
"""The heading of a command that stands under none."""


class Commands(click.Group):
    """Turns UsageError into a sentence and exit code 2, and names the nearest command for one that is misspelt."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise click.UsageError(str(error)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            raise click.UsageError(instead(args[0], self.commands, "command"))
        return super().resolve_command(ctx, args)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        rest = tuple(name for name in self.commands if not any(name in names for names in COMMANDS.values()))
        width = max(map(len, self.commands))  # of all of them, so that the columns line up below every heading
        for title, names in (*COMMANDS.items(), (FURTHER, rest)):
            if known := [self.commands[name] for name in names if name in self.commands]:
                with formatter.section(title):
                    formatter.write_dl(
                        [(f"{item.name:<{width}}", item.get_short_help_str(WHOLE_SENTENCE)) for item in known]
                    )


class Grouped(click.Command):
    """Shows the options that write reports under a heading of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = [(param, record) for param in options if (record := param.get_help_record(ctx))]
        for title, of_reports in (("Options", False), ("Reports", True)):
            with formatter.section(title):
                formatter.write_dl([record for param, record in records if (param.name in PARAMETERS) == of_reports])
