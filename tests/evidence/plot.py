"""Draws the README's plot: rounding shrinks from float32 to float64, mistakes do not.

    python tests/evidence/plot.py [FILE]

Left: every case of peers.json. Right: the excess at every step of a right port and of two wrong ones, run now.
"""

import sys
from pathlib import Path

import click
from results import read

from harness.oracle.bounds import THRESHOLD
from harness.oracle.rounding import SHRINK
from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.running.pool import Worker

PAIR = "pairs/mini_batch_mlp"
BY_A_MILLIONTH = (Edit("tensorflow_loop.py", "faithful.Adam(lr=lr)", "faithful.Adam(lr=lr * 1.000001)"),)
INK, GRID, RIGHT, WRONG, OTHER = "#24292f", "#d0d7de", "#0969da", "#cf222e", "#bc4c00"
EPOCHS = 6
FLOOR = 3e-18
"""Where a difference of exactly zero is drawn on the logarithmic axis."""


def excess_by_step() -> dict[str, tuple[float, ...]]:
    """The largest excess of each step, by what was run."""
    twinloop_worker = Worker()
    asked = {
        "right": Request(PAIR, epochs=EPOCHS),
        "epsilon": Request(PAIR, "plain_keras", epochs=EPOCHS),
        "rate": Request(PAIR, edits=BY_A_MILLIONTH, epochs=EPOCHS),
    }
    try:
        return {name: twinloop_worker.ask(request).series["excess"] for name, request in asked.items()}
    finally:
        twinloop_worker.close()


def draw(file: Path) -> None:
    """Both panels, on white, so that they can be read on a light and on a dark page."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    style = {
        "font.size": 10, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GRID, "xtick.color": INK,
        "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "twinloop",
        "font.family": "sans-serif", "svg.fonttype": "path",
        "xtick.minor.visible": False, "ytick.minor.visible": False,
    }  # fmt: skip
    with pyplot.rc_context(style):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained", facecolor="white")
        both_precisions(left)
        every_step(right)
        figure.savefig(file, metadata={"Date": None}, facecolor="white")


def both_precisions(axes) -> None:
    """Each case as a point: how much it differs in float32, and in float64."""
    cases = [case for case in read("peers")["cases"] if case["float32"] is not None]
    ends = (1e-8, 4.0)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=(1e-18, 30))
    axes.plot(ends, ends, color=GRID, zorder=1)
    axes.plot(ends, [SHRINK * end for end in ends], color=GRID, zorder=1)
    axes.axvline(1e-5, color=INK, linestyle=":", linewidth=1)
    axes.text(1.3e-5, 2.2e-18, "a tolerance of 1e-5\nerrs on both sides", fontsize=9)
    axes.fill_between(ends, [THRESHOLD * SHRINK * end for end in ends], 30, color=WRONG, alpha=0.06, linewidth=0)
    for valid, colour, marker, label in ((True, RIGHT, "o", "valid rewrites"), (False, WRONG, "x", "faults")):
        kept = [case for case in cases if case["valid"] == valid]
        points = [(max(case["float32"], 2e-8), max(case["float64"], FLOOR)) for case in kept]
        axes.scatter(*zip(*points, strict=True), c=colour, marker=marker, s=30, label=label, zorder=3)
    axes.text(3e-3, 1e-5, "as large in float64:\nanother computation", color=WRONG, fontsize=9)
    axes.text(1e-3, 1e-14, "$2^{29}$ times smaller:\nrounding", color=RIGHT, fontsize=9)
    axes.minorticks_off()
    axes.set_xlabel("largest relative difference in float32")
    axes.set_ylabel("the same in float64")
    axes.legend(loc="upper left", frameon=False)
    axes.set_title("Rounding shrinks, mistakes do not", loc="left", fontsize=11)


def every_step(axes) -> None:
    """The excess of three ports of one network, step by step."""
    series = excess_by_step()
    named = (
        ("epsilon", WRONG, "Keras' own Adam", 3e11),
        ("rate", OTHER, "the rate off by one part in a million", 2e7),
        ("right", RIGHT, "torch's Adam, written for TensorFlow", 4.0),
    )
    for name, colour, label, height in named:
        values = series[name]
        axes.plot(range(len(values)), values, color=colour, linewidth=1.2)
        axes.text(8, height, label, color=colour, fontsize=9)
    axes.axhline(THRESHOLD, color=INK, linestyle=":", linewidth=1)
    axes.text(0, THRESHOLD * 1.5, f"threshold: {THRESHOLD:g}", fontsize=9)
    axes.set(yscale="log", ylim=(0.05, 1e15), xlabel="step", ylabel="excess: times beyond rounding")
    axes.set_title("Three ports of mini_batch_mlp, step by step", loc="left", fontsize=11)


@click.command()
@click.argument("file", default=".github/excess.svg", type=click.Path(path_type=Path, dir_okay=False))
def main(file: Path) -> None:
    """Draw the plot; needs the dev extra, for matplotlib."""
    draw(file)


if __name__ == "__main__":
    sys.exit(main())
