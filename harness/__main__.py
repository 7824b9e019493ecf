"""The command line: twinloop run, fuzz, record, doctor, list, show, map, new, causes, explain, fix, repro, merge and others."""

import click

from harness.commands.causes import causes
from harness.commands.compare import compare_reports
from harness.commands.doctor import doctor
from harness.commands.explain import explain
from harness.commands.faithful import faithful
from harness.commands.fix import fix
from harness.commands.fuzz import fuzz
from harness.commands.headings import Commands
from harness.commands.list import list_pairs
from harness.commands.map import map_tensors
from harness.commands.merge import merge
from harness.commands.new import new
from harness.commands.record import record
from harness.commands.repro import show_cause
from harness.commands.run import run
from harness.commands.show import show

COMMANDS = (
    run, record, merge, fuzz, fix, show_cause, compare_reports, list_pairs, faithful, causes, explain, show, map_tensors,
    doctor, new,
)  # fmt: skip


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="twinloop")
def main() -> None:
    """Is this TensorFlow training loop the same training as that PyTorch one, and if not, where does it part?"""


for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="python -m harness")
