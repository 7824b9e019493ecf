"""Verdicts as TensorBoard event files: both sides' losses as two runs of one chart, beside a team's other runs.

Written with TensorBoard's own record writer, which loads neither framework. The time of an event is its step, so that the
same verdicts give the same bytes.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.report.text import put
from harness.verdict import LARGEST, Verdict

FILE = "events.out.tfevents.0.twinloop"
"""One name, so that another report takes the place of the one before."""

Points = Mapping[str, Sequence[float | None]]


def check() -> None:
    """Raise ModuleNotFoundError, with a sentence that says what to install, if event files could not be written."""
    try:
        import tensorboard.summary.writer.record_writer  # noqa: F401  # asked for now, not after minutes of work
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "event files need tensorboard; install it with: pip install 'twinloop[tensorboard]'"
        ) from None


def write(folder: Path, verdicts: Sequence[Verdict]) -> None:
    """Write FOLDER/PAIR/torch, /tensorflow and /difference, for every pair that recorded a loss or an excess.

    Raises ModuleNotFoundError if tensorboard is not installed.
    """
    check()
    taken: set[str] = set()
    for verdict in verdicts:
        name = unique(fit(verdict.pair), taken)
        for run, points in runs(verdict).items():
            if any(points.values()):
                place = folder / name / run
                place.mkdir(parents=True, exist_ok=True)
                put(place / FILE, events(points, verdict.recording.stride))


def runs(verdict: Verdict) -> dict[str, Points]:
    """The curves of each of a pair's runs, by tag."""
    recording = verdict.recording
    losses = recording.losses
    worst = [
        max((value for value in here if value is not None), default=None)
        for here in zip(*recording.excess.values(), strict=True)
    ]
    return {
        "torch": {name: curve.torch for name, curve in losses.items()},
        "tensorflow": {name: curve.tensorflow for name, curve in losses.items()},
        "difference": {
            **{f"difference of {name}": curve.gap for name, curve in losses.items()},
            **{f"what rounding explains of {name}": curve.rounding for name, curve in losses.items()},
            "excess": worst,
        },
    }


def events(points: Points, stride: int) -> bytes:
    """The curves as the records of an event file; a point stands at the first step of its stretch."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    made = io.BytesIO()
    writer = RecordWriter(made)
    writer.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
    for tag, values in points.items():
        for point, value in enumerate(values):
            if value is not None and abs(value) < LARGEST:
                step = point * stride
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                writer.write(Event(wall_time=float(step), step=step, summary=summary).SerializeToString())
    return made.getvalue()


def fit(name: str) -> str:
    """A pair's name as the name of a folder.

    >>> fit("gan:keras"), fit("../x")
    ('gan_keras', '_.._x')
    """
    plain = re.sub(r"[^\w.-]", "_", name)[:100]
    return f"_{plain}" if plain.startswith(".") or not plain else plain


def unique(name: str, taken: set[str]) -> str:
    """The name, or with a number behind it if another pair has it already."""
    chosen = next(option for i in range(len(taken) + 1) if (option := f"{name}_{i}" if i else name) not in taken)
    taken.add(chosen)
    return chosen
