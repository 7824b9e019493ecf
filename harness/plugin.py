"""pytest: the ``twin`` argument, options, and the closing table. Loads neither framework; workers do."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import UsageError, counted
from harness.profiles import DEPTHS, Depth, register
from harness.report.files import Wanted
from harness.running.pairs import Pair, discover, select
from harness.running.project import in_repository, project

if TYPE_CHECKING:
    from harness.contract.scenario import Scenario
    from harness.running.messages import Request
    from harness.running.pool import Mothers, Worker
    from harness.verdict import Finding, Verdict

PAIR, VERDICT = "twinloop_pair", "twinloop_verdict"
CACHE: dict[Pair, list["Verdict"]] = {}
"""Verdicts of this process, so that the laws of a pair run its default problem once."""


@dataclass
class Twin:
    """One pair under test, and the worker that runs it."""

    pair: Pair
    worker: "Worker | Recorder"
    known: list["Verdict"] = field(default_factory=list)
    depth: Depth = DEPTHS["ci"]
    shows: bool = False

    @property
    def scenario(self) -> "Scenario":
        """The pair's scenario."""
        return self.pair.scenario()

    @property
    def verdict(self) -> "Verdict":
        """The verdict on the scenario's own problem, with mistakes made on purpose, and the cause if the two differ.

        It is run once for all laws.

        A profile may stop it before its end. What the loops printed is shown under ``pytest -s``.
        """
        if not self.known:
            from harness.contract.problem import make_problem

            asked = {"digests": self.depth.rerun, "most_mistakes": self.depth.mistakes}
            problem = make_problem(self.scenario) if self.depth.most_steps is not None else None
            steps = self.depth.own_steps(problem) if problem else None
            made = self.ask(thorough=True, explain=True, steps=steps, **asked)
            if self.depth.brief and problem and leaves_open(made):
                steps = self.depth.own_steps(problem, briefly=False)
                made = self.ask(thorough=True, explain=True, steps=steps, **asked)
            self.known.append(made)
            if self.shows and self.known[0].printed:
                print(f"\n{self.pair.name} printed:\n{self.known[0].printed}")  # noqa: T201  # pytest -s asks for it
        return self.known[0]

    def shortened(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a drawn problem, and what the profile leaves out of it."""
        if not self.depth.brief:
            return dict(settings)
        from harness.contract.problem import make_problem

        return {**settings, **self.depth.drawn(make_problem(self.scenario, batch_size=settings.get("batch_size")))}

    def ask(self, **request: Any) -> "Verdict":
        """The verdict on any other problem; the arguments are those of harness.worker.Request."""
        from harness.running.messages import Request

        request.setdefault("threads", project(self.pair.folder).threads)
        return self.worker.ask(Request(str(self.pair.folder), self.pair.variant, self.pair.edits, **request))

    def edited(self, *edits: Any) -> "Twin":
        """The same pair with textual changes in its files."""
        return Twin(replace(self.pair, edits=edits), self.worker)


def leaves_open(verdict: "Verdict") -> bool:
    """Whether more steps may show what these have not: a curve that falls, or a mistake in what acts late."""
    curve = verdict.curve
    missed = any(not trial.noticed and not trial.declared for trial in verdict.sensitivity)
    return verdict.agrees and (missed or not (curve.judged or curve.may_rise))


@dataclass(frozen=True)
class Recorder:
    """A worker that adds every verdict to a file."""

    worker: "Worker"
    file: Path

    def ask(self, request: "Request", *on_event: Any) -> "Verdict":
        """The verdict for a request, once it is in the file."""
        from harness.report.json import append

        verdict = self.worker.ask(request, *on_event)
        append(self.file, verdict, edited=[edit.write for edit in request.edits])
        return verdict


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and settings of twinloop."""
    group = parser.getgroup("twinloop", "PyTorch and TensorFlow training loops, side by side")
    group.addoption(
        "--twinloop-pair",
        action="append",
        default=[],
        metavar="NAME",
        help="run the laws for this pair only; may be given several times",
    )
    group.addoption(
        "--twinloop-timeout",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="how long a loop may take for one step (default: 300)",
    )
    group.addoption(
        "--twinloop-record", metavar="FILE", help="append one JSON line to a file for every problem that was judged"
    )
    group.addoption(
        "--twinloop-shard",
        metavar="N/TOTAL",
        help="run the laws for a part of the pairs, such as 2/8 for the second of eight",
    )
    group.addoption(
        "--twinloop-on",
        default="local",
        metavar="ENGINE",
        help="where problems are judged: local, ray, ray://HOST:10001, dask://HOST:8786, slurm (default: local); "
        "-n says how many at the same time",
    )
    group.addoption(
        "--twinloop-there", default="", metavar="DIR", help="the project's folder on the nodes, if it is there already"
    )
    for name, what in REPORTS.items():
        group.addoption(f"--twinloop-{name}", metavar="PATH", help=what)
    parser.addini("twinloop_pairs", "folder that holds the pairs, if not that of [tool.twinloop]", default="")


REPORTS = {
    "json": "write the verdicts as JSON",
    "html": "write one page that opens offline in any browser",
    "markdown": "write what fits into a pull request's comment",
    "sarif": "write what is wrong as SARIF, for the lines of a code review",
    "tensorboard": "write both sides' loss curves as event files into this folder",
}
"""Reports of the verdicts on the scenarios' own problems, by option and what it does."""

RENAMED = {"--pair": "--twinloop-pair", "--record": "--twinloop-record", "--loop-timeout": "--twinloop-timeout"}
"""What twinloop's options were called before they had its name."""


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Make the profiles known before Hypothesis reads --hypothesis-profile; say what an old option is called now."""
    for name in {arg.partition("=")[0] for arg in args} & RENAMED.keys():
        if not hasattr(early_config.known_args_namespace, name.strip("-").replace("-", "_")):
            raise pytest.UsageError(f"{name} is now {RENAMED[name]}")
    register()
    if not early_config.known_args_namespace.__dict__.get("hypothesis_profile"):
        from hypothesis import settings

        settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker that keeps the laws of a pair in one process; see that reports can be written."""
    config.addinivalue_line("markers", "xdist_group(name): run tests of one group in one process")
    paths = {name: config.getoption(f"twinloop_{name}") for name in REPORTS}
    part = config.getoption("twinloop_shard") or ""
    asked = tuple(pair.name for pair in asked_for(config)) if paths["json"] else ()
    folder = in_repository(folder_of(config)) if paths["sarif"] else "pairs"
    wanted = Wanted(
        **{name: Path(path) for name, path in paths.items() if path}, asked=asked, shard=part, folder=folder
    )
    if wanted.any or config.getoption("xmlpath", None):
        try:
            if not hasattr(config, "workerinput"):
                wanted.check()
        except UsageError as error:
            raise pytest.UsageError(f"twinloop: {error}") from error
        config.pluginmanager.register(Reports(wanted, writes=not hasattr(config, "workerinput")), "twinloop-reports")


@dataclass(eq=False)  # pytest keeps its plugins in a set
class Reports:
    """Gathers the verdicts that come along with the laws' reports, in this process or from xdist's, and writes them."""

    wanted: Wanted
    writes: bool
    verdicts: dict[str, "Verdict"] = field(default_factory=dict)
    slim: dict[str, "Verdict"] = field(default_factory=dict)
    broken: dict[str, list["Finding"]] = field(default_factory=dict)
    sent: set[Pair] = field(default_factory=set)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Put a pair's whole verdict on the report of the first law that has one: it is too large for a user property."""
        report = yield
        made = getattr(item, "funcargs", {}).get("twin")
        if call.when == "call" and isinstance(made, Twin) and made.known and made.pair not in self.sent:
            import msgspec

            from harness.verdict import finite

            self.sent.add(made.pair)
            report.twinloop_verdict = msgspec.json.encode(finite(msgspec.to_builtins(made.known[0]))).decode()
        return report

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the verdict that a report brings, and remember a law that is broken."""
        from harness.verdict import Finding, Verdict

        if not self.writes:
            return  # it goes on to the process that does
        name = dict(getattr(report, "user_properties", ())).get(PAIR)
        brought = report.__dict__.pop("twinloop_verdict", None), dict(report.user_properties).get(VERDICT)
        for kept, encoded in zip((self.verdicts, self.slim), brought, strict=True):
            if name and encoded:
                import msgspec

                kept[name] = msgspec.json.decode(encoded, type=Verdict)
        if name and report.failed:
            self.broken.setdefault(name, []).append(Finding("law", f"{report.nodeid} failed"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports of all pairs, by name."""
        complete = exitstatus != pytest.ExitCode.INTERRUPTED and not session.shouldstop and not session.shouldfail
        if not self.writes:
            return
        found = self.found()
        for plugin in session.config.pluginmanager.get_plugins():
            if hasattr(plugin, "add_global_property"):  # junitxml, where it writes a file
                for name, value in properties(found):
                    plugin.add_global_property(name, value)
        self.wanted.write(found, complete=complete)

    def found(self) -> list["Verdict"]:
        """All pairs by name, with the laws that they break; one without a verdict is an error, not left out."""
        from harness.verdict import Verdict

        none = {name: Verdict(name, "ERROR", "no verdict was reached") for name in self.broken}
        return [
            replace(verdict, findings=(*verdict.findings, *self.broken.get(name, ())))
            for name, verdict in sorted((none | self.slim | self.verdicts).items())
        ]


def folder_of(config: pytest.Config) -> Path:
    """The folder that holds the pairs; raises UsageError for settings that say what they cannot say."""
    named = config.getini("twinloop_pairs")
    return config.rootpath / named if named else project(config.rootpath).pairs


def asked_for(config: pytest.Config) -> list[Pair]:
    """The pairs that the options and settings ask for, in all shards together."""
    try:
        every = discover(folder_of(config), setting="pytest's ini option twinloop_pairs")
        return select(every, config.getoption("twinloop_pair"))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that takes ``twin`` runs on every pair."""
    if "twin" not in metafunc.fixturenames:
        return
    pairs, part = asked_for(metafunc.config), metafunc.config.getoption("twinloop_shard")
    if part:
        from harness.report.shards import shard

        try:
            pairs = shard(part, "--twinloop-shard").of(pairs)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
    metafunc.parametrize(
        "twin",
        [pytest.param(pair, id=pair.name, marks=pytest.mark.xdist_group(pair.folder.name)) for pair in pairs],
        indirect=True,
        scope="session",
    )


@pytest.fixture(scope="session")
def twinloop_worker(request: pytest.FixtureRequest) -> Iterator["Worker | Recorder"]:
    """A process that runs loops, for the whole session, or a cluster's; with --record, what it says goes to a file as well."""
    with judging(request.config) as made:
        yield made


@contextmanager
def judging(config: pytest.Config, mothers: "Mothers | None" = None) -> Iterator["Worker | Recorder"]:
    """What judges for a session by its options. mothers: what has loaded the frameworks already, if it judges here."""
    from harness.running.pool import Worker

    made: Any
    option = config.getoption
    if (on := option("twinloop_on")) == "local":
        made = Worker(option("twinloop_timeout"), mothers)
    else:
        from harness.fleet.engines import fleet

        try:
            made = fleet(on, folder_of(config), silence=option("twinloop_timeout"), there=option("twinloop_there"))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
    file = option("twinloop_record")
    yield made if file is None else Recorder(made, Path(file))
    made.close()


@pytest.fixture(scope="session")
def twin(request: pytest.FixtureRequest, twinloop_worker: "Worker | Recorder") -> Twin:
    """One pair under test; see Twin."""
    profile = request.config.getoption("hypothesis_profile", None) or "default"
    shows = request.config.getoption("capture") == "no"
    known = CACHE.setdefault(request.param, [])
    return Twin(request.param, twinloop_worker, known, DEPTHS.get(profile, Depth(0)), shows)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Send the pair's verdict along with a law's report, through xdist."""
    report = yield
    made = getattr(item, "funcargs", {}).get("twin")
    if call.when == "call" and isinstance(made, Twin):
        report.user_properties.append((PAIR, made.pair.name))
        if made.known:
            import msgspec

            report.user_properties.append((VERDICT, msgspec.json.encode(made.known[0].slim).decode()))
    return report


def properties(verdicts: Sequence["Verdict"]) -> list[tuple[str, str]]:
    """What a reader of a JUnit file looks for: of each pair verdict, excess and where the two part; versions.

    They are properties of the suite, because its schema knows none of a test.
    """
    from harness.report.text import readable

    header = {f"twinloop.{name}": value for verdict in verdicts for name, value in verdict.header.items()}
    made = list(header.items())
    for verdict in verdicts:
        found = {"verdict": verdict.status, "passed": str(verdict.passed).lower(), "sentence": verdict.sentence}
        if verdict.measured:
            found |= {"excess": f"{verdict.excess:.3g}", "excess_tensor": verdict.excess_tensor}
        if verdict.first is not None and not verdict.agrees:
            found |= {"parts_at": verdict.first.place}
        if known := [item for item in verdict.causes if item.cause]:
            found |= {"cause": "; ".join(f"{item.cause} ({item.strength}) at {item.where}" for item in known)}
            found |= {"instead": "; ".join(item.instead for item in known)}
        made += [(f"twinloop.{verdict.pair}.{name}", value) for name, value in found.items()]
    return [(readable(name), readable(value)) for name, value in made]  # XML has no place for control codes


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line per pair: its verdict, and how many laws it passed."""
    passed: dict[str, list[bool]] = {}
    verdicts: dict[str, str] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = dict(getattr(report, "user_properties", ()))
            if PAIR in properties:
                name = properties[PAIR]
                passed.setdefault(name, []).append(outcome == "passed")
                verdicts[name] = max(verdicts.get(name, ""), properties.get(VERDICT, ""), key=len)
    if not passed:
        return
    terminalreporter.section("twinloop")
    width = max(map(len, passed))
    for name, laws in sorted(passed.items()):
        terminalreporter.write_line(
            f"{name:<{width}}  laws {sum(laws)}/{len(laws)}  {summary(verdicts[name])}",
            green=all(laws),
            red=not all(laws),
        )


def summary(encoded: str) -> str:
    """A verdict in half a line, from its JSON; nothing for none."""
    if not encoded:
        return ""
    import msgspec

    from harness.verdict import Verdict

    verdict = msgspec.json.decode(encoded, type=Verdict)
    parts = [f"{verdict.status:<20}", counted(verdict.steps, "step")]
    if verdict.measured:
        parts.append(f"excess {verdict.excess:.2g}")
    if verdict.horizon is not None:
        parts.append(f"holds to step {verdict.horizon}")
    if verdict.sensitivity:
        parts.append(f"mistakes noticed {sum(t.noticed for t in verdict.sensitivity)}/{len(verdict.sensitivity)}")
    return "  ".join(parts)
