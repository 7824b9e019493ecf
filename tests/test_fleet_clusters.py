"""The same on real engines, on the loopback of this machine: three nodes of Ray, three workers of Dask, submitit's local jobs."""

import ipaddress
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import plain_pair
import pytest
import sleeping
from click.testing import CliRunner
from test_fleet import requests, run

from harness.__main__ import main
from harness.fleet.dispatch import Fleet
from harness.fleet.engines import fleet
from harness.fleet.messages import line
from harness.fleet.on_local import OnLocal
from harness.report.json import read
from harness.running.messages import Request
from harness.running.pool import Pool
from harness.verdict import Verdict

WRONG = "lr * (1.25 if lr > 0.1 else 1) * grad"
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:::(ray|distributed|submitit)"),
    pytest.mark.filterwarnings(
        "ignore::pytest.PytestUnraisableExceptionWarning"
    ),  # submitit lets go of a local process
]
TESTS = Path(__file__).parent
MANY = 200
SETTINGS = {
    "PYTHONPATH": str(TESTS),  # where nodes find what stands in for a worker
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # keeps Ray on the loopback
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # at its default of 15 a busy machine does not come to load a framework
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@pytest.fixture(scope="module", autouse=True)
def nodes_settings() -> Iterator[None]:
    """What the nodes of a cluster are started with."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        yield


class Cluster:
    """An engine's cluster. on: how it is asked for. judge: what sleeps there in place of training. kill: ends one node."""

    def __init__(self, on: str, judge: Callable[..., str], kill: Callable[[], None]) -> None:
        self.on, self.judge, self.kill = on, judge, kill

    def asleep(self, pairs: Path) -> Fleet:
        """What asks it for problems that sleep."""
        made = fleet(self.on, pairs)
        judge: Any = made.engine.call
        made.engine.call = partial(self.judge, **judge.keywords) if isinstance(judge, partial) else self.judge
        return made


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Cluster]:
    """A head that runs nothing, and three nodes of a processor each."""
    pytest.importorskip("ray", reason="twinloop[ray] is not installed")
    from ray.cluster_utils import Cluster as Nodes

    local = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, **local})
    nodes = [made.add_node(num_cpus=1, **local) for _ in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", made.address)
        yield Cluster("ray", sleeping.judge_on_ray, lambda: made.remove_node(nodes.pop(), allow_graceful=False))
    made.shutdown()


@pytest.fixture(scope="module")
def on_dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three workers of a thread each, so that one that dies takes nobody else's problem along."""
    pytest.importorskip("distributed", reason="twinloop[dask] is not installed")
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=3, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
        local_directory=str(tmp_path_factory.mktemp("dask")),
    ) as made:  # fmt: skip

        def kill() -> None:
            os.kill(next(iter(made.workers.values())).pid, signal.SIGKILL)

        yield Cluster(f"dask://{made.scheduler_address.removeprefix('tcp://')}", sleeping.judge_on_dask, kill)


@pytest.fixture(scope="module")
def on_slurm() -> Cluster:
    """submitit's local executor: a process for each problem."""
    pytest.importorskip("submitit", reason="twinloop[slurm] is not installed")
    return Cluster("slurm://local", sleeping.judge_on_slurm, lambda: None)


@pytest.fixture(params=["ray", "dask", "slurm"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each of them."""
    found: Cluster = request.getfixturevalue(f"on_{request.param}")
    return found


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A project of three pairs."""
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    for name in "abc":
        plain_pair.write(tmp_path / "pairs", name)
    return tmp_path / "pairs"


def bare(verdicts: list[Verdict]) -> list[str]:
    """The bytes of verdicts, but for header and times."""
    return [line(sleeping.bare(verdict)) for verdict in verdicts]


def locally(pairs: Path, asked: list[Request]) -> list[Verdict]:
    """What this machine's own processes say of problems that sleep."""
    with sleeping.asleep():
        return run(Fleet(lambda hear: OnLocal(4, pairs.parent, hear), pairs), asked)


def test_what_dies_is_tried_once_more_and_then_an_error_that_says_where(cluster: Cluster, pairs: Path) -> None:
    once, always = pairs.parent / "once", pairs.parent / "always"
    once.touch()
    always.mkdir()
    asked = [Request(str(pairs / "a"), hyper={"kills": str(path)}) for path in (once, always)] + requests(pairs, 3)
    found = run(cluster.asleep(pairs), asked)
    assert not once.exists(), "it has killed a process"
    lost = found.pop(1)
    assert bare(found) == bare(locally(pairs, [asked[0], *asked[2:]]))
    assert lost.status == "ERROR"
    assert f"lost twice, the last time on {found[0].header['node']}, at asleep, step 3: " in lost.sentence
    assert lost.trace == "zzz"


def test_an_interrupted_run_leaves_nothing_running(cluster: Cluster, pairs: Path) -> None:
    pulse = pairs.parent / "pulse"
    asked = [Request(str(pairs / "a"), steps=6000, hyper={"pulse": str(pulse)}), *requests(pairs, 1)]

    def stop(_of: Request, _verdict: Verdict) -> None:
        while not pulse.exists():
            time.sleep(0.1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.asleep(pairs).run(asked, lambda *_: None, stop)
    for _ in range(20):
        before = pulse.read_text(encoding="utf-8")
        time.sleep(1)
        if pulse.read_text(encoding="utf-8") == before:
            return
    pytest.fail("it sleeps on")


@pytest.mark.parametrize("which", ["ray", "dask"])
def test_nothing_listens_beyond_the_loopback(which: str, request: pytest.FixtureRequest) -> None:
    import psutil

    request.getfixturevalue(f"on_{which}")
    found = {
        (process.name(), place.laddr.ip)
        for process in psutil.Process().children(recursive=True)
        for place in process.net_connections(kind="tcp")
        if place.status == psutil.CONN_LISTEN
    }
    assert found
    assert not {one for one in found if not ipaddress.ip_address(one[1].removeprefix("::ffff:")).is_loopback}


def test_a_cluster_that_owes_an_answer_is_left_in_peace(on_ray: Cluster, pairs: Path) -> None:
    """A call that is under way while Ray shuts down would raise in its thread, which fails this test."""
    engine: Any = on_ray.asleep(pairs).engine
    engine.board.__ray_call__.remote(lambda _board: time.sleep(5))
    time.sleep(2)
    engine.close()
    assert not engine.listening.is_alive()


@pytest.mark.parametrize("which", ["ray", "dask"])
def test_two_hundred_problems_and_a_node_that_dies_among_them(
    which: str, pairs: Path, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(f"on_{which}")
    asked = requests(pairs, MANY, steps=5)
    asking, found = cluster.asleep(pairs), dict[str, Verdict]()

    def arrived(of: Request, verdict: Verdict) -> None:
        found[repr(of)] = verdict
        if len(found) == MANY // 2:
            cluster.kill()

    asking.run(asked, lambda *_: None, arrived)
    assert bare([found[repr(of)] for of in asked]) == bare(locally(pairs, asked))
    assert asking.pace.finished == MANY


def test_real_pairs_give_the_same_bytes_as_here(cluster: Cluster, pairs: Path) -> None:
    """With a fault in one of them; the tree is brought, and the node's folder is another one."""
    (pairs / "b" / "tensorflow_loop.py").write_text(plain_pair.LOOP.replace("2 * np", "2.5 * np"), encoding="utf-8")
    (pairs / "c" / "tensorflow_loop.py").write_text(plain_pair.LOOP.replace("@ w -", "@ nothing -"), encoding="utf-8")
    asked = [Request(str(pairs / name), briefly=True, explain=True) for name in "abc"]
    here: dict[str, Verdict] = {}
    Pool(1).run(asked, lambda *_: None, lambda of, verdict: here.update({repr(of): verdict}))
    there = run(fleet(cluster.on, pairs), asked)
    assert [verdict.status for verdict in there] == ["EQUIVALENT", "DIFFERENT", "ERROR"]
    assert bare(there) == bare([here[repr(of)] for of in asked])
    assert all(verdict.header["node"] for verdict in there)
    assert there[0].machine == here[repr(asked[0])].machine


def test_a_search_over_a_fleet_finds_shrinks_and_remembers(on_dask: Cluster, pairs: Path) -> None:
    """A port that is wrong for rates above 0.1 alone."""
    (pairs / "a" / "tensorflow_loop.py").write_text(plain_pair.LOOP.replace("lr * grad", WRONG), encoding="utf-8")
    words = ["fuzz", "a", "--pairs", pairs, "--on", on_dask.on, "--minutes", 2]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 1, done.output
    assert "this one fails, as small as it gets" in done.output
    assert "again: twinloop run a --seed 0" in done.output
    assert any((pairs.parent / ".twinloop" / "examples" / "a").rglob("*"))


def test_the_laws_hold_on_a_fleet(on_dask: Cluster, pairs: Path) -> None:
    root = pairs.parent
    (root / "test_pairs.py").write_text("from harness.laws import *\n", encoding="utf-8")
    words = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--twinloop-on",
        on_dask.on,
        "--twinloop-json",
        "v.json",
        "--twinloop-pair",
        "a",
    ]
    done = subprocess.run(  # noqa: S603  # this very interpreter
        [sys.executable, "-m", "pytest", *words, "-k", "trains_the_same or moves"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    (verdict,) = read(root / "v.json").verdicts
    assert verdict.header["node"]
