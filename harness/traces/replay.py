"""Sides that are read from traces in the place of live runs: what is asked of them, and what a verdict says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.contract.problem import Problem
from harness.errors import UsageError, counted
from harness.oracle.bounds import APPEALS, STAYS
from harness.oracle.rules import ASKED, FLOAT32
from harness.running.start import SIDES, Running, RunSpec, Side, Start
from harness.traces import digests, manifest
from harness.traces.reading import Trace, TracedRun
from harness.traces.thinning import WHOLE, Thinning, thinned
from harness.verdict import Finding, Verdict


@dataclass(frozen=True)
class Replay:
    """The traces of one pair by the side that they stand for; none for a side that runs.

    cut: records up to which a trace can be judged that was not written to its end. unwatched: sides whose float64 run was to be
    watched for float32, and was recorded.
    """

    traces: Mapping[Side, Trace]
    thinning: Thinning = WHOLE
    cut: int | None = None
    unwatched: set[Side] = field(default_factory=set)

    @property
    def posted(self) -> bytes:
        """What the recorded reference's draws are for."""
        return self.traces["torch"].posted if "torch" in self.traces else b""

    def of(self, problem: Problem, pair: str, precision: str) -> tuple["Replay", Problem]:
        """Itself for a problem, and the problem with the recorded arrays, its ``steps`` in records.

        Raises UsageError for a trace that does not fit.
        """
        if not self.traces:
            return self, problem
        asked, known = problem, set()
        for side, trace in self.traces.items():
            problem = trace.problem(asked, pair, side)
            known.add(digests.of_problem(problem))
        if len(known) > 1:
            raise UsageError("the two traces were recorded from other weights or data; record one of them anew")
        thinnings = {trace.header.thinning for trace in self.traces.values()}
        if len(thinnings) > 1:
            raise UsageError("the two traces do not hold the same part of what was run; record one of them anew")
        (thinning,) = thinnings
        steps = None if asked.steps is None else thinning.steps(asked.steps)
        cut = self._cut(problem, precision)
        if cut is not None:
            if steps is not None and steps > cut:
                most = f"give --steps {(cut - 1) * thinning.every + 1}, or record it anew" if cut else "record it anew"
                raise UsageError(
                    f"{self._places} was cut after {counted(cut, 'step')}, and {asked.steps} are asked for; {most}"
                )
            if not cut:
                raise UsageError(f"{self._places} was cut before its first step was closed; record it anew")
            steps = cut if steps is None else steps
        return replace(self, thinning=thinning, cut=cut), replace(problem, steps=steps)

    @property
    def _places(self) -> str:
        return " or ".join(str(trace.folder) for trace in self.traces.values())

    def _cut(self, problem: Problem, precision: str) -> int | None:
        """Records that every run which is always asked for has, where one of them was not written to its end."""
        rule = FLOAT32 if problem.scenario.only_float32 else ASKED[precision]
        closed = []
        for spec in (*rule.narrow, rule.left, rule.right):
            trace = self.traces.get(spec.side)
            if trace is None:
                continue
            run = trace.find(spec, problem)
            if run is None:
                others = ", ".join(dict.fromkeys(str(known) for known, _ in trace.runs))
                raise UsageError(
                    f"{trace.folder} has no run of {spec}; it has {others or 'none'}: record it with --dtype both, or judge "
                    "what it has with --dtype"
                )
            if run.ended is None:
                closed.append(len(run.steps))
        return min(closed) if closed else None

    def start(self, live: Start) -> Start:
        """What starts the recorded runs as they were, and all others live, seen as the recorded ones were."""
        if not self.traces:
            return live
        seen = thinned(live, self.thinning)

        def started(spec: RunSpec, problem: Problem) -> Running:
            trace = self.traces.get(spec.side)
            if trace is None:
                return seen(spec, problem)
            run = trace.find(spec, problem)
            if run is None or spec.mutating:
                how = f"with --draws {STAYS}" if spec.nudge > APPEALS else "without --no-nudged"
                raise UsageError(
                    f"the verdict needs {'another' if spec.nudge else 'a'} run of {spec}, which {trace.folder} does not have; "
                    f"record it anew {how}"
                )
            if spec.watch:
                self.unwatched.add(spec.side)
            return TracedRun(trace, run, problem)

        return started

    def told(self, verdict: Verdict, asked: Problem) -> Verdict:
        """A verdict with what it must say of traces: what of a run they hold, and what nobody could look for."""
        if not self.traces:
            return verdict
        findings = []
        if self.thinning != WHOLE:
            findings.append(Finding("trace", f"judged by a part of what was run: {self.thinning}"))
        if self.cut is not None:
            said = f"{self._places} was cut while it was written; judged up to its last closed step, the {ordinal(self.cut)}"
            findings.append(Finding("trace", said))
        coarse = [side for side, trace in self.traces.items() if trace.header.settings.get("TF32") == "on"]
        if coarse and verdict.rule == "four runs":
            said = f"{' and '.join(coarse)}'s float32 was run with TF32, so with products that are 2^13 times coarser"
            findings.append(Finding("trace", f"{said}; the verdict rests on float64"))
        elif coarse:
            said = f"{' and '.join(coarse)}'s side was run with TF32, so with products that are 2^13 times coarser than float32's"
            findings.append(Finding("trace", f"{said}; record both precisions for a verdict that rests on float64"))
        if self.unwatched and verdict.status == "DIFFERENT":
            sides = " and ".join(side for side in SIDES if side in self.unwatched)
            said = (
                f"whether float32 in the float64 run of {sides} explains it was not looked for: that run was recorded"
            )
            findings.append(Finding("trace", f"{said}; only where it is run can it be watched"))
        if verdict.status == "DIFFERENT" and "torch" in self.traces:
            said = "no cause was looked for: torch's side was recorded, and cannot be run with mistakes made in it"
            findings.append(Finding("trace", said))
        return replace(verdict, findings=(*verdict.findings, *findings), problem=asked.describe())

    def header(self, live: Mapping[str, str]) -> dict[str, str]:
        """A verdict's header: versions of what runs here, and of what was recorded, and where that was."""
        made = dict(live)
        for side, trace in self.traces.items():
            head = trace.header
            made = {name: value for name, value in head.versions.items() if name not in made} | made
            settings = "".join(f", {name} {value}" for name, value in head.settings.items())
            made[f"{side} side"] = f"recorded {head.recorded} on {head.device}{settings}"
        return made


NONE = Replay({})


def replay(pair: str, places: Mapping[Side, str]) -> Replay:
    """The traces that stand in these folders, or in a folder of the pair's name in them; raises UsageError for one without."""
    found: dict[Side, Trace] = {}
    for side in SIDES:
        if place := places.get(side):
            own = Path(place) / pair.replace(":", "-")
            found[side] = Trace(own if (own / manifest.NAME).is_file() else Path(place))
    return Replay(found) if found else NONE


def ordinal(number: int) -> str:
    """A number in order, in figures.

    >>> ordinal(1), ordinal(12), ordinal(23)
    ('1st', '12th', '23rd')
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
