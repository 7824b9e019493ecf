"""Draws the README's two pictures of a run: the terminal, and the page that --html writes.

    python tests/evidence/pictures.py [FOLDER]

The run is a real one, of a pair whose port has Keras' own Adam. The page is drawn by Chromium or Chrome, headless.
"""

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from harness.report import html, terminal
from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.running.pool import Worker
from harness.verdict import Verdict
from harness.watching import line

sys.path.insert(0, str(Path(__file__).parent.parent))

from browser import QUIET, installed

PAIR, SOUND = "pairs/mini_batch_mlp", "pairs/linear_regression"
OPTIMIZER = (
    Edit("tensorflow_loop.py", "faithful.Adam(lr=lr)", "keras.optimizers.Adam(lr)"),
    Edit("tensorflow_loop.py", "optimizer.exp_avg_sq", "optimizer._velocities"),
    Edit("tensorflow_loop.py", "optimizer.exp_avg)", "optimizer._momentums)"),
    Edit("tensorflow_loop.py", "    # Keras' own Adam adds its epsilon before the bias correction.\n", ""),
)
STEPS, COLUMNS, COLOURS = 24, 100, 64
SIZE = (1000, 1180)
"""Pixels of the page that are shown."""


def judged() -> list[Verdict]:
    """The verdicts on a port that is right, and on one whose optimizer is Keras' own."""
    worker = Worker()
    try:
        return [
            worker.ask(Request(SOUND, epochs=8)),
            worker.ask(Request(PAIR, "", OPTIMIZER, steps=STEPS, explain=True)),
        ]
    finally:
        worker.close()


def terminal_picture(verdicts: list[Verdict]) -> str:
    """What `twinloop run` prints of them, as SVG without a font from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for verdict in verdicts:
        line(console, verdict)
    terminal.close(console, verdicts)
    console.print()  # the last line's underscores are cut off otherwise
    drawn = console.export_svg(title="twinloop run", unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def report_picture(verdicts: list[Verdict]) -> bytes:
    """The page of the pair that differs, as PNG with few colours."""
    from PIL import Image

    browser = installed()
    if browser is None:
        raise click.ClickException("no browser is installed that could draw the page")
    with tempfile.TemporaryDirectory() as name:
        page, shot = Path(name) / "report.html", Path(name) / "report.png"
        html.write(page, verdicts)
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        subprocess.run(  # noqa: S603  # the browser that was found, and a file of ours
            [browser, *QUIET, size, "--hide-scrollbars", f"--user-data-dir={name}/profile", "--virtual-time-budget=5000",
             f"--screenshot={shot}", f"{page.as_uri()}#pair-0"],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        few = Image.open(shot).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        made = io.BytesIO()
        few.save(made, "png", optimize=True)
        return made.getvalue()


@click.command()
@click.argument("folder", default=".github", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """Draw both pictures; needs the dev extra, for Pillow, and a browser."""
    verdicts = judged()
    (folder / "terminal.svg").write_text(terminal_picture(verdicts), encoding="utf-8")
    (folder / "report.png").write_bytes(report_picture(verdicts))


if __name__ == "__main__":
    sys.exit(main())
