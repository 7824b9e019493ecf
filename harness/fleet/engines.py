"""--on ENGINE: which engine is meant, and the fleet that asks it. An engine's library is imported here and nowhere else."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.errors import UsageError, instead
from harness.fleet.dispatch import Engine, Fleet, Hear
from harness.fleet.journal import Journal, folder
from harness.fleet.tree import commit, copy, root_of
from harness.running.engine import SILENCE

ENGINES = {"local": "", "ray": "ray", "dask": "dask", "slurm": "slurm"}
"""Every engine with the extra that it needs."""

JOURNAL = "journal.jsonl"


def named(on: str) -> tuple[str, str]:
    """An engine and its address; raises UsageError for none.

    >>> named("dask://10.0.0.1:8786")
    ('dask', '10.0.0.1:8786')
    """
    name, _, address = on.partition("://")
    if name not in ENGINES:
        raise UsageError(f"--on {on}: {instead(name, ENGINES, 'engine')}")
    if name == "dask" and not address:
        raise UsageError("--on dask: say where the scheduler is, as dask://HOST:8786")
    if name == "local" and address:
        raise UsageError(f"--on {on}: local is this machine, and has no address")
    return name, address


def fleet(
    on: str,
    pairs: Path,
    *,
    jobs: int | None = None,
    silence: float = SILENCE,
    there: str = "",
    resume: bool | None = None,
) -> Fleet:
    """What asks an engine for verdicts on the pairs of a folder.

    there: the project's folder on the nodes; empty to have it brought. resume: whether the project's journal goes on; None
    for no journal. Raises UsageError for an engine that is not there, or whose library is not.
    """
    name, address = named(on)
    root = root_of(pairs)
    journal = Journal(folder(root) / JOURNAL, resume=resume) if resume is not None else None
    return Fleet(connecting(name, address, root, jobs, silence, there), pairs, silence=silence, journal=journal)


def connecting(
    name: str, address: str, root: Path, jobs: int | None, silence: float, there: str
) -> Callable[[Hear], Engine]:
    """What makes an engine once there is somebody to hear its signs."""

    def connect(hear: Hear) -> Engine:
        if name == "local":
            from harness.fleet.on_local import OnLocal

            return OnLocal(jobs or os.cpu_count() or 1, root, hear, silence)
        try:
            if name == "ray":
                from harness.fleet.on_ray import OnRay

                tree = None if there else brought(root, temporary())
                return OnRay(f"ray://{address}" if address else "", tree, there, hear)
            if name == "dask":
                from harness.fleet.on_dask import OnDask

                tree = None if there else brought(root, temporary())
                return OnDask(address if "://" in address else f"tcp://{address}", tree, there, hear)
            from harness.fleet.on_slurm import OnSlurm

            shared = folder(root)
            place = there or str(brought(root, temporary(shared)))
            return OnSlurm(address or "slurm", shared / "slurm", place, hear)
        except ModuleNotFoundError as error:
            extra = f"pip install 'twinloop[{ENGINES[name]}]'"
            raise UsageError(f"--on {name} needs {error.name}, which is not installed here: {extra}") from error
        except (OSError, RuntimeError) as error:
            said = str(error).strip() or type(error).__name__
            raise UsageError(f"--on {name}: the cluster cannot be reached: {said}") from error

    return connect


def temporary(place: Path | None = None) -> Path:
    """A folder that is gone when this process ends."""
    made = Path(tempfile.mkdtemp(prefix="twinloop-", dir=place))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def brought(root: Path, into: Path) -> Path:
    """A copy of the tree as it stands now, named by its commit, so that edits during the run change nothing."""
    name = commit(root).replace("+", "-changed") or "tree"
    return copy(root, into / f"{root.name}-{name}")
