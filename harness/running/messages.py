"""What passes between whoever asks for verdicts and the process that judges: requests and events, as JSON lines."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.contract.scenario import Problem, Scenario, make_problem, read_value
from harness.errors import UsageError, instead
from harness.running.pairs import Edit, Pair
from harness.running.project import project
from harness.verdict import Verdict


@dataclass(frozen=True)
class Request:
    """One problem to be judged. ``hyper`` holds text as it was typed; the scenario knows the types."""

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
    briefly: bool = False
    explain: bool = False
    digests: int = 0
    threads: int = 1

    @property
    def pair(self) -> Pair:
        """The pair that is asked for."""
        return Pair(Path(self.folder), self.variant, self.edits)

    @property
    def options(self) -> tuple[str, ...]:
        """What a command must be given besides the problem to ask for the same."""
        here, root = Path.cwd(), Path(self.folder).parent.resolve()
        place = root.relative_to(here) if root.is_relative_to(here) else root
        asked = [] if root == project().pairs.resolve() else ["--pairs", str(place)]
        asked += [] if self.precision == "both" else ["--dtype", self.precision]
        asked += ["--threads", str(self.threads)] if self.threads != project().threads else []
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
