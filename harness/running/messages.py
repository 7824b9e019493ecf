"""What passes between whoever asks for verdicts and the process that judges: requests and events, as JSON lines."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.contract.problem import Problem, make_problem
from harness.contract.scenario import Scenario
from harness.contract.values import read_value
from harness.errors import UsageError, instead
from harness.running.pairs import Edit, Pair
from harness.running.project import project
from harness.running.start import HERE, SIDES, Place, Side
from harness.verdict import Verdict


@dataclass(frozen=True)
class Request:
    """One problem to be judged. ``hyper`` holds text as it was typed; the scenario knows the types.

    torch, tensorflow: the folder of a trace that stands in for that side's runs. against: what ``side`` is judged beside in the
    place of the other framework: the pair's folder in another commit, of this name, or with ``recorded_past`` a trace.
    torch_python, tensorflow_python: the interpreter that runs a side, where it is not this one. torch_device, tensorflow_device:
    such as ``cuda`` and ``GPU:0``; tf32: products of float32 may be made of TF32 there.
    most_mistakes: how many are made on purpose where ``thorough``, if not all. listening: tell by layers how far the sides agree.
    """

    folder: str
    variant: str = ""
    edits: tuple[Edit, ...] = ()
    seed: int = 0
    batch_size: int | None = None
    epochs: int | None = None
    steps: int | None = None
    hyper: dict[str, str] = field(default_factory=dict)
    precision: str = "both"
    resync: bool = False
    thorough: bool = False
    most_mistakes: int | None = None
    briefly: bool = False
    explain: bool = False
    listening: bool = False
    digests: int = 0
    threads: int = 1
    torch: str = ""
    tensorflow: str = ""
    against: str = ""
    against_name: str = ""
    recorded_past: bool = False
    side: Side = "tensorflow"
    torch_python: str = field(default_factory=lambda: project().pythons.get("torch_python", ""))
    tensorflow_python: str = field(default_factory=lambda: project().pythons.get("tensorflow_python", ""))
    torch_device: str = ""
    tensorflow_device: str = ""
    tf32: bool = False

    @property
    def pair(self) -> Pair:
        """The pair that is asked for."""
        return Pair(Path(self.folder), self.variant, self.edits)

    @property
    def recorded(self) -> dict[Side, str]:
        """The folder of a trace for every side that is not run."""
        return {side: place for side, place in zip(SIDES, (self.torch, self.tensorflow), strict=True) if place}

    @property
    def live(self) -> tuple[Side, ...]:
        """The sides that are run; beside a port's own past the reference only where the port's map is found by both."""
        if self.against:
            return SIDES if self.side == SIDES[1] and self.pair.matches else (self.side,)
        return tuple(side for side in SIDES if side not in self.recorded)

    @property
    def pythons(self) -> dict[Side, str]:
        """The interpreter of every side that this one does not run."""
        named = zip(SIDES, (self.torch_python, self.tensorflow_python), strict=True)
        return {side: python for side, python in named if python}

    @property
    def places(self) -> dict[Side, Place]:
        """Where every side runs that does not run in this interpreter on the CPU."""
        devices = dict(zip(SIDES, (self.torch_device, self.tensorflow_device), strict=True))
        found = {
            side: Place(self.pythons.get(side, ""), device, self.tf32 and bool(device))
            for side, device in devices.items()
        }
        return {side: place for side, place in found.items() if place != HERE}

    @property
    def options(self) -> tuple[str, ...]:
        """What a command must be given besides the problem to ask for the same."""
        here, root = Path.cwd(), Path(self.folder).parent.resolve()
        place = root.relative_to(here) if root.is_relative_to(here) else root
        asked = [] if root == project().pairs.resolve() else ["--pairs", str(place)]
        asked += [] if self.precision == "both" else ["--dtype", self.precision]
        asked += ["--threads", str(self.threads)] if self.threads != project().threads else []
        asked += [word for side, place in self.recorded.items() for word in (f"--{side}", place)]
        asked += [
            word
            for side, python in self.pythons.items()
            if python != project().pythons.get(f"{side}_python")
            for word in (f"--{side}-python", python)
        ]
        asked += ["--torch-device", self.torch_device] if self.torch_device else []
        asked += ["--tensorflow-device", self.tensorflow_device] if self.tensorflow_device else []
        asked += ["--tf32"] if self.tf32 else []
        past = self.against if self.recorded_past else self.against_name
        asked += ["--against", past, "--side", self.side] if self.against else []
        return (*asked, *(["--thorough"] if self.thorough else []))

    def problem(self, scenario: Scenario) -> Problem:
        """The problem that is asked for; raises UsageError for values that cannot be."""
        hyper = {}
        for name, text in self.hyper.items():
            if name not in scenario.hyper:
                raise UsageError(instead(name, [*scenario.hyper, "batch_size", "epochs", "steps"], "hyperparameter"))
            hyper[name] = read_value(name, text, scenario.hyper[name])
        return make_problem(
            scenario, seed=self.seed, batch_size=self.batch_size, epochs=self.epochs, steps=self.steps, hyper=hyper
        )


class Event(msgspec.Struct, omit_defaults=True):
    """What the worker says: that it is ready, how far it is, or the outcome.

    tail: the last lines that the loops have printed, where there are new ones. died: how the process ended that was to judge
    the request.
    """

    ready: bool = False
    doing: str = ""
    at: str = ""
    step: int = 0
    total: int = 0
    verdict: Verdict | None = None
    usage: str = ""
    tail: str = ""
    died: str = ""
