"""--on slurm: jobs by submitit, the tree on the file system that all nodes share, and signs of life in the jobs' logs."""

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, UncompletedJobError

from harness.contract.resources import Needs
from harness.fleet.node import answer

LOOKING = 2.0, 0.1
"""Seconds between two looks at the jobs: of Slurm, and of this machine."""

QUEUED = 64
"""Jobs that a search has in Slurm's queue."""

HOURS = 24
"""How long a job may take, where SBATCH_TIMELIMIT says nothing else."""

MARK = "twinloop "
"""What a sign of life begins with in a job's log."""


def judge(text: str) -> str:
    """``answer`` in a job."""
    return answer(text, lambda line: print(f"{MARK}{line}", flush=True))  # noqa: T201  # the job's log is the way back


class OnSlurm:
    """Jobs. cluster: slurm, or local for processes of this machine. folder: shared by all nodes. at: the project there."""

    lost: tuple[type[BaseException], ...] = (UncompletedJobError,)

    def __init__(self, cluster: str, folder: Path, at: str, hear: Callable[[str], None]) -> None:
        self.call: Callable[..., str] = judge
        self.cluster, self.folder, self.at, self.hear = cluster, folder, at, hear
        self.running: dict[Future[Any], tuple[Any, int]] = {}
        self.over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def executor(self, needs: Needs) -> Executor:
        """What submits jobs that ask for this much."""
        made = submitit.AutoExecutor(self.folder, cluster=self.cluster)
        gpus = {"gpus_per_node": math.ceil(needs.gpus)} if needs.gpus else {}
        memory = {"mem_gb": needs.memory / 2**30} if needs.memory else {}
        made.update_parameters(
            name="twinloop", timeout_min=60 * HOURS, cpus_per_task=math.ceil(needs.cpus), **gpus, **memory
        )
        return Submitting(self, made)

    def holds(self, _needs: Needs) -> bool:
        """Slurm refuses a job that asks for more than it has, and that is told of the problem."""
        return True

    def slots(self) -> int:
        """As many jobs as a search keeps waiting, since Slurm does not say what it has for us."""
        return os.cpu_count() or 1 if self.cluster == "local" else QUEUED

    def _look(self) -> None:
        while not self.over.wait(LOOKING[self.cluster == "local"]):
            for future, (job, read) in list(self.running.items()):
                ended = job.done()
                with suppress(OSError):
                    self.running[future] = job, self._heard(job.paths.stdout, read)
                if ended:
                    del self.running[future]
                    self._settle(future, job)

    def _heard(self, log: Path, read: int) -> int:
        """Pass on the signs in a log from a place on; the place behind the last whole line."""
        with log.open("rb") as file:
            file.seek(read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                read += len(line)
                if line.startswith(MARK.encode()):
                    self.hear(line.decode().removeprefix(MARK))
        return read

    @staticmethod
    def _settle(future: Future[Any], job: Any) -> None:
        try:
            future.set_result(job.result())
        except FailedJobError as error:  # it ran, and raised
            future.set_exception(RuntimeError(str(error)))
        except Exception as error:  # noqa: BLE001  # handed to whoever waits
            future.set_exception(error)

    def close(self) -> None:
        """Cancel all jobs."""
        self.over.set()
        for job, _ in list(self.running.values()):
            with suppress(Exception):
                job.cancel(check=False)


class Submitting(Executor):
    """Jobs that ask for the same."""

    def __init__(self, jobs: OnSlurm, made: Any) -> None:
        self.jobs, self.made = jobs, made

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a job; its future is done when somebody has seen that the job is."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.jobs.running[future] = self.made.submit(fn, *args, **kwargs), 0
        return future
