"""--on dask: Dask's own executor, the tree by a plugin of its workers, and signs of life through its log of events."""

import io
import uuid
import zipfile
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client, KilledWorker, WorkerPlugin, get_worker

from harness.contract.resources import Needs
from harness.fleet.node import answer


class Tree(WorkerPlugin):
    """Brings a folder to every worker, those that come later included."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, packed = name, io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in folder.rglob("*"):
                archive.write(path, path.relative_to(folder))
        self.packed = packed.getvalue()

    def setup(self, worker: Any) -> None:
        """Unpack it where the worker keeps its files, which is gone when the worker is."""
        with zipfile.ZipFile(io.BytesIO(self.packed)) as archive:
            archive.extractall(Path(worker.local_directory) / self.name)


def judge(text: str, run: str) -> str:
    """``answer`` in a thread of one of Dask's workers, for as long as Dask wants the task."""
    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        known = worker.state.tasks.get(key)
        return known is not None and known.state == "executing"

    return answer(text, lambda line: worker.log_event(run, line), wanted, Path(worker.local_directory) / run)


def asked(needs: Needs) -> dict[str, float]:
    """What Dask's workers call it; a task that asks for nothing takes a thread."""
    every = {"GPU": needs.gpus, "MEMORY": needs.memory, "CPU": needs.cpus if needs.cpus != 1 else 0}
    return {name: much for name, much in every.items() if much}


class OnDask:
    """A connection to a cluster. tree: what is brought to its workers; None if the project is there, ``at`` its folder."""

    lost: tuple[type[BaseException], ...] = (KilledWorker,)

    def __init__(self, address: str, tree: Path | None, at: str, hear: Callable[[str], None]) -> None:
        self.at, self.run, self.brings = at, f"twinloop-{uuid.uuid4().hex}", tree is not None
        self.client = Client(address, set_as_default=False)
        if tree is not None:
            self.client.register_plugin(Tree(tree, self.run))
        self.client.subscribe_topic(self.run, lambda event: hear(event[1]))
        self.call: Callable[..., str] = partial(judge, run=self.run)

    def executor(self, needs: Needs) -> Executor:
        """What places tasks where this much is free; Dask itself tries a task again whose worker died."""
        return self.client.get_executor(pure=False, resources=asked(needs))

    def holds(self, needs: Needs) -> bool:
        """Whether some worker has as much."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return any(all(one["resources"].get(name, 0) >= much for name, much in asked(needs).items()) for one in workers)

    def slots(self) -> int:
        """Its workers' threads."""
        return sum(self.client.nthreads().values())

    def close(self) -> None:
        """Take back all tasks, so that their workers end them, and end the connection."""
        if self.brings:
            self.client.unregister_worker_plugin(self.run)
        self.client.close()
