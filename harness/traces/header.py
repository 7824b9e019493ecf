"""What a trace was recorded from, and the sentence for what of it does not fit what is asked for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np

from harness.contract.problem import Problem
from harness.contract.values import format_value
from harness.errors import UsageError
from harness.running.start import Side
from harness.traces import digests
from harness.traces.thinning import WHOLE, Thinning

FORMAT = 1
"""Raised whenever an older twinloop could not read what is written."""


@dataclass(frozen=True)
class Header:
    """The first line of a manifest.

    steps: None for as many as the loop makes. passes: epochs that were offered. order, noise: digests of the order of the
    examples and of the first batch's noise. scenario, loop: digests of the two files as they were. versions: as in a verdict's
    header. device, settings: where it ran, and what else changes numbers there. recorded: when, in ISO 8601.
    """

    pair: str
    side: Side
    seed: int
    batch_size: int
    epochs: int
    steps: int | None
    passes: int
    hyper: Mapping[str, Any]
    order: str
    noise: str
    scenario: str
    loop: str
    versions: Mapping[str, str]
    recorded: str
    machine: str = ""
    device: str = "cpu"
    settings: Mapping[str, str] = field(default_factory=dict)
    thinning: Thinning = WHOLE
    format: int = FORMAT

    @property
    def plain(self) -> dict[str, Any]:
        """What JSON can hold of it, the format first."""
        return {"format": self.format, **asdict(self)}


def read(folder: Path, data: Any) -> Header:
    """The header that a manifest's first line holds; raises UsageError for one of another format."""
    found = data.get("format") if isinstance(data, dict) else None
    if not isinstance(found, int):
        raise UsageError(f"{folder} is no trace of twinloop's; `twinloop record` writes one")
    if found > FORMAT:
        raise UsageError(
            f"{folder} was written by a newer twinloop, in format {found}, and this one reads up to {FORMAT}; "
            "upgrade twinloop here, or record with this one"
        )
    known = {item.name for item in fields(Header)}
    taken = {name: value for name, value in data.items() if name in known}
    if taken["side"] not in get_args(Side):
        raise UsageError(f"{folder} is a trace of a side called {taken['side']}, which this twinloop does not know")
    taken["hyper"] = {n: tuple(v) if isinstance(v, list) else v for n, v in taken["hyper"].items()}
    taken["thinning"] = Thinning.read(taken["thinning"])
    return Header(**taken)


def order_of(problem: Problem) -> str:
    """The digest of the order in which the examples come."""
    return digests.of(np.ascontiguousarray(problem.order[: problem.epochs], np.int64).tobytes())


def noise_of(problem: Problem) -> str:
    """The digest of the first batch's noise; empty where the scenario has none."""
    if not problem.scenario.noise:
        return ""
    _, batch = next(islice(problem.batches(), 1))
    return digests.of_arrays({name: batch[name] for name in problem.scenario.noise})


def misfit(header: Header, folder: Path, pair: str, side: Side, problem: Problem) -> None:
    """Raise UsageError, with what to do, for a trace of another side, pair, problem or scenario."""
    if header.side != side:
        raise UsageError(f"{folder} is a trace of the {header.side} side; give it with --{header.side}")
    if header.pair.partition(":")[0] != pair.partition(":")[0] or (side == "tensorflow" and header.pair != pair):
        raise UsageError(f"{folder} is a trace of pair {header.pair}, not of {pair}; name that pair, or its own trace")
    asked: dict[str, Any] = {"seed": problem.seed, "batch_size": problem.batch_size, "epochs": problem.epochs}
    known: dict[str, Any] = {"seed": header.seed, "batch_size": header.batch_size, "epochs": header.epochs}
    for name in dict.fromkeys([*problem.hyper, *header.hyper]):
        asked[name], known[name] = problem.hyper.get(name), header.hyper.get(name)
    for name, value in asked.items():
        if known[name] != value:
            raise UsageError(
                f"{folder} was recorded with {name} {said(known[name])}, and {said(value)} is asked for; "
                f"give {option(name, known[name])}, or record it anew"
            )
    if header.steps is not None and (problem.steps is None or problem.steps > header.steps):
        wanted = "all" if problem.steps is None else problem.steps
        raise UsageError(
            f"{folder} was recorded for {header.steps} steps, and {wanted} are asked for; give --steps {header.steps}, "
            "or record it anew"
        )
    if order_of(problem) != header.order:
        raise UsageError(f"{folder} was recorded with the examples in another order; {anew('scenario.py')}")
    if noise_of(problem) != header.noise:
        raise UsageError(f"{folder} was recorded with other noise; {anew('scenario.py')}")


def said(value: Any) -> str:
    """A value in a sentence."""
    return "none" if value is None else format_value(value)


def option(name: str, value: Any) -> str:
    """What gives a setting on the command line."""
    if value is None:
        return f"the scenario without {name}"
    short = {"seed": "--seed", "batch_size": "--batch-size", "epochs": "--epochs", "lr": "--lr"}
    return f"{short[name]} {said(value)}" if name in short else f"--set {name}={said(value)}"


def anew(file: str) -> str:
    """What to do where the scenario is another."""
    return f"{file} is another now: take it back to what was recorded, or record it anew"
