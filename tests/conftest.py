"""Tests marked `own_process` are called in a process of their own; see tests/own_process.py."""

from typing import Any

import own_process
import pytest

OWN = pytest.StashKey[own_process.OwnProcess]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Any:
    """In the second pytest, run what the first one asks for."""
    return own_process.serve(session) if own_process.serving() else None


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
