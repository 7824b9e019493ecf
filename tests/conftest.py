"""What marks mean: `own_process`, called in a process of its own, see tests/own_process.py; `needs`, skipped without."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import own_process
import pytest

from harness.plugin import judging

if TYPE_CHECKING:
    from harness.plugin import Recorder
    from harness.running.nurseries import Mother
    from harness.running.pool import Mothers, Worker
    from harness.running.start import Side

OWN = pytest.StashKey[own_process.OwnProcess]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Any:
    """In the second pytest, run what the first one asks for."""
    return own_process.serve(session) if own_process.serving() else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose package, one that only some users install, is not there."""
    for mark in item.iter_markers("needs"):
        for package in mark.args:
            pytest.importorskip(package, reason=f"{package} is not installed; it comes with twinloop[dev]")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    """Have a marked test called by the second pytest, and give its outcome here."""
    if own_process.serving() or pyfuncitem.get_closest_marker(own_process.GROUP) is None:
        return None
    stash, session = pyfuncitem.config.stash, pyfuncitem.session
    if OWN not in stash:
        files = {str(item.path) for item in session.items if item.get_closest_marker(own_process.GROUP)}
        root = str(pyfuncitem.config.rootpath)
        stash[OWN] = own_process.OwnProcess(["--rootdir", root, "-m", own_process.GROUP, *sorted(files)])
    answer = stash[OWN].run(pyfuncitem.nodeid.removesuffix(f"@{own_process.GROUP}"))
    if answer["outcome"] == "skipped":
        pytest.skip(answer["text"])
    if answer["outcome"] == "failed":
        pytest.fail(answer["text"], pytrace=False)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the second pytest."""
    if OWN in config.stash:
        config.stash[OWN].close()


@pytest.fixture(autouse=True)
def no_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests run has nothing to say to whoever reads the summary of their own step."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture(scope="session")
def mothers() -> Iterator["Mothers"]:
    """What has loaded each framework, once for all that judges in these tests."""
    from harness.running.pool import Mothers

    with closing(Mothers(1)) as made:
        yield made


@pytest.fixture(scope="session")
def forked(mothers: "Mothers") -> "Mapping[Side, Mother]":
    """The same as an engine takes it, whose nurseries are then forked and load nothing."""
    from harness.running.nurseries import Mother

    return {made.side: Mother(made.end.fileno(), made.log) for made in mothers.nurseries}


@pytest.fixture(scope="session")
def twinloop_worker(request: pytest.FixtureRequest, mothers: "Mothers") -> Iterator["Worker | Recorder"]:
    """The plugin's, which loads nothing."""
    with judging(request.config, mothers) as made:
        yield made
