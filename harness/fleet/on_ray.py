"""--on ray: tasks of Ray, the tree as its working directory, and signs of life through an actor."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OwnerDiedError, RayError, WorkerCrashedError

from harness.contract.resources import Needs
from harness.fleet.node import answer

HEARING = 0.5
"""Seconds between two looks at what the nodes have said."""


class Board:
    """An actor that nodes tell what they are at; whoever asked takes it from there."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def tell(self, line: str) -> None:
        """Keep a line."""
        self.said.append(line)

    def take(self) -> list[str]:
        """All lines since the last time."""
        said, self.said = self.said, []
        return said


def judge(text: str, board: Any) -> str:
    """``answer`` in a process of Ray's, whose present folder is the tree that was brought."""
    return answer(text, lambda line: board.tell.remote(line))


class OnRay:
    """A connection to a cluster. tree: what is brought to its nodes; None if the project is there, ``at`` its folder."""

    lost: tuple[type[BaseException], ...] = (WorkerCrashedError, NodeDiedError, OwnerDiedError)

    def __init__(self, address: str, tree: Path | None, at: str, hear: Callable[[str], None]) -> None:
        brought = {"working_dir": str(tree)} if tree is not None else {}
        ray.init(address or "auto", runtime_env=brought, log_to_driver=False, logging_level="error")
        self.call: Callable[..., str] = judge
        self.at, self.hear = at, hear
        self.board = ray.remote(num_cpus=0, max_restarts=-1)(Board).remote()
        self.asked: dict[Any, None] = {}
        self.over = threading.Event()
        self.listening = threading.Thread(target=self._listen, daemon=True)
        self.listening.start()

    def _listen(self) -> None:
        said = self.board.take.remote()
        while not self.over.wait(HEARING):
            if not ray.wait([said], timeout=0)[0]:
                continue
            with suppress(RayError):  # its node died, and it is started on another
                for line in ray.get(said):
                    self.hear(line)
            said = self.board.take.remote()

    def executor(self, needs: Needs) -> Executor:
        """What places tasks where this much is free; a task whose process dies is not tried again by Ray."""
        return Placing(self, {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "memory": needs.memory or None})

    def holds(self, needs: Needs) -> bool:
        """Whether some node has as much."""
        asked = {"CPU": needs.cpus, "GPU": needs.gpus, "memory": needs.memory}
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return any(all(node.get(name, 0) >= much for name, much in asked.items()) for node in alive)

    def slots(self) -> int:
        """Its processors."""
        return int(ray.cluster_resources().get("CPU", 1))

    def close(self) -> None:
        """End all tasks, by force, and the connection."""
        self.over.set()
        self.listening.join()  # a call that is under way while Ray shuts down raises SystemExit
        for asked in list(self.asked):
            with suppress(RayError, ValueError):
                ray.cancel(asked, force=True)
        ray.shutdown()


class Placing(Executor):
    """Tasks that need the same."""

    def __init__(self, cluster: OnRay, options: dict[str, Any]) -> None:
        self.cluster, self.options = cluster, options

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A task; its future is Ray's own."""
        asked = ray.remote(fn).options(max_retries=0, **self.options).remote(*args, self.cluster.board, **kwargs)
        self.cluster.asked[asked] = None
        future: Future[Any] = asked.future()
        future.add_done_callback(lambda _: self.cluster.asked.pop(asked, None))
        return future
