"""`twinloop fix` and `twinloop repro`: a difference mended cause by cause, as a patch that was run; or shown by a script."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness.errors import UsageError
from harness.fixing import patch, repro, sources, told
from harness.fixing.case import Case
from harness.fixing.proof import hyperparameters, mend
from harness.report import terminal
from harness.running.messages import Event, Request
from harness.running.pairs import discover, select
from harness.running.pool import Worker

LEAST = 1e-12
"""A smaller difference shows nothing."""


def command(root: Path, name: str, *, write: bool, timeout: float, asked: dict[str, Any]) -> int:
    """Mend a pair, print the patch, and write it if asked to; the exit code."""
    pair = select(discover(root), [name])[0]
    pair.check()
    request = Request(str(pair.folder), pair.variant, briefly=True, **asked)
    here = Path.cwd()
    worker = Worker(timeout)
    live = sys.stderr.isatty()

    def say(sentence: str) -> None:
        click.echo(f"  {sentence}", err=True)

    def seen(_: Request, event: Event) -> None:
        if live and event.doing == "looking for the cause":
            click.echo(f"\r  looking for the cause: {event.step} of {event.total}  ", nl=False, err=True)

    try:
        click.echo(f"{pair.name}: judged as it is", err=True)
        outcome = mend(request, lambda one: worker.ask(one, seen), say)
        before = outcome.first
        if not outcome.mended:
            if before.passed or before.agrees:
                click.echo(f"{before.sentence}; nothing to mend")
                return 0 if before.passed else 1
            for line in told.left(outcome):
                click.echo(line)
            return 2 if before.status == "ERROR" else 1
        for number, item in enumerate(outcome.mended, start=1):
            click.echo(told.proved(number, item, before, here))
            before = item.after
        click.echo()
        click.echo(patch.diff(patch.texts(outcome.mended), here), nl=False)
        for line in told.left(outcome):
            click.echo(line)
        if not write:
            click.echo("\nnothing was written; --write writes it and runs the pair again")
            return 0 if outcome.verdict.agrees else 1
        changes = patch.texts(outcome.mended)
        allowed = {code.path for code in sources.port(pair)}
        if set(changes) - allowed:
            raise UsageError("a fix would change a file that is not the port's; nothing was written")
        patch.write(changes)
        again = worker.ask(replace(request, edits=(), explain=True))
        click.echo(f"\nwritten; {again.pair}: {again.status}: {again.sentence}")
        if not again.passed:
            for line in terminal.notes(again):
                click.echo(f"  {line}")
        return 0 if again.passed else 2 if again.status == "ERROR" else 1
    finally:
        worker.close()


def show(root: Path, name: str, *, output: Path | None, timeout: float, asked: dict[str, Any]) -> int:
    """Write the script that shows a pair's first cause, and what it prints; the exit code."""
    pair = select(discover(root), [name])[0]
    pair.check()
    worker = Worker(timeout)
    try:
        verdict = worker.ask(Request(str(pair.folder), pair.variant, explain=True, **asked))
    finally:
        worker.close()
    if verdict.first is None or not verdict.causes:
        click.echo(f"{verdict.pair}: {verdict.sentence}; there is no difference to show")
        return 2 if verdict.status == "ERROR" else 0
    case = Case(verdict.causes[0], verdict.first, sources.port(pair), sources.reference(pair), hyperparameters(verdict))
    text = repro.script(case, pair.name)
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, check=False)
    said = done.stdout.strip().splitlines()
    if done.returncode or not said or not float(said[-1].rpartition(" ")[2]) > LEAST:
        raise UsageError(
            f"the script for {case.cause.cause} shows no difference on its small numbers, so it is not given; "
            f"`twinloop explain {case.cause.cause}` has what is known"
        )
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
    click.echo("\n".join(["it prints:", *said]), err=True)
    return 0
