"""How large the page of many pairs is, and how soon a browser has it drawn and can use it, in real time.

python tests/evidence/page.py [--pairs 40]
"""

import sys
import tempfile
import time
from pathlib import Path

import click

from harness.report import html

sys.path.insert(0, str(Path(__file__).parent.parent))

from report_verdicts import failing, passing
from tab import opened

LOADED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
PAINTED = """new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()[0].startTime))
  .observe({ type: "paint", buffered: true }))"""
FILTERED = """(() => { const began = performance.now(); const words = document.getElementById("words");
  words.value = "pair1"; words.dispatchEvent(new Event("input")); document.body.offsetHeight;
  return performance.now() - began; })()"""
OPENED = """(async () => { const began = performance.now(); location.hash = "#pair-0";
  while (document.getElementById("pair").hidden) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame); return performance.now() - began; })()"""

TIMES = {"loaded": LOADED, "first painted": PAINTED, "filtered in": FILTERED, "a pair opened in": OPENED}


@click.command()
@click.option("--pairs", default=40, show_default=True, type=click.IntRange(min=1), help="How many of them.")
@click.option("--steps", default=400, show_default=True, type=click.IntRange(min=2), help="Steps of each.")
@click.option("--tensors", default=25, show_default=True, type=click.IntRange(min=1), help="Tensors of each stage.")
def main(pairs: int, steps: int, tensors: int) -> None:
    """Print bytes and milliseconds."""
    verdicts = [
        passing(f"pair{i}", steps, tensors, seed=i) if i % 4 else failing(f"pair{i}", steps) for i in range(pairs)
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        file = Path(name) / "report.html"
        began = time.perf_counter()
        html.write(file, verdicts)
        click.echo(f"written in {time.perf_counter() - began:.1f} s, {file.stat().st_size:,} bytes")
        with opened(file, Path(name)) as tab:
            for what, script in TIMES.items():
                click.echo(f"{what} {tab.value(script):.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
