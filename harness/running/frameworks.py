"""What a process must know of its one framework, and which class knows it."""

import gc
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness.contract.recipes import Array
from harness.running.start import Precision, Side

if TYPE_CHECKING:
    from harness.running.capture import Capturing
    from harness.running.leaks import Watch

SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONHASHSEED": "0",
}
"""Environment that must be set before a framework is loaded, unless somebody has set it otherwise."""


DEVICE, TF32 = "TWINLOOP_DEVICE", "TWINLOOP_TF32"
"""Environment that says on which device a process makes its tensors, and whether products of float32 may be TF32's."""


def device() -> str:
    """The device that this process was told to use; empty for the CPU."""
    return os.environ.get(DEVICE, "")


def tf32() -> bool:
    """Whether products of float32 may be made of TF32 on this process's device."""
    return os.environ.get(TF32) == "1"


OF_A_DEVICE = ("cpu", "gloo", "same device", "device type", "cuda tensor")
"""What an error says of where tensors lie."""


def elsewhere(error: BaseException) -> str:
    """What to say of an error about where tensors lie, in a process that makes them on a device; nothing of any other."""
    if not device() or not any(words in str(error).lower() for words in OF_A_DEVICE):
        return ""
    return (
        f"; whatever this loop makes is made on {device()}: what must stay on the CPU, such as what gloo is given, make with "
        'device="cpu", or bring there by .cpu()'
    )


def threading(threads: int) -> dict[str, str]:
    """Environment that says how many threads a framework may use.

    NumPy's own would be there from its import on, and a process with a second thread cannot be forked.
    """
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}


class Framework(Protocol):
    """A framework that is loaded: the only one of its process."""

    versions: dict[str, str]
    """What a verdict's header says of it."""

    dear: bool
    """Whether a new process is dear enough to use one again for another loop of the same pair, side and precision."""

    def begin(self, precision: Precision, seed: int, *, eager: bool = False) -> None:
        """Make the precision and the seed those of this process, before any of a pair's files is run.

        eager: functions that would be traced are run as they stand.
        """

    def tensor(self, array: Array) -> Any:
        """A tensor of this process's precision that shares no memory with the array."""

    def lend(self, value: Any) -> Array:
        """A tensor, variable, array or number as an array, which may share its memory: to be copied before it changes.

        bfloat16 becomes float32, which holds every value of it. Raises TypeError for anything that holds no numbers.
        """

    def writable(self, target: Any) -> bool:
        """Whether values written to this reach the loop."""

    def address(self, target: Any) -> int:
        """Where a tensor's numbers lie, if they can lie elsewhere at the next step; 0 for a variable."""

    def lives(self, target: Any) -> bool:
        """Whether a tensor is what a model or an optimizer holds, and no copy of it."""

    def write(self, target: Any, array: Array) -> None:
        """Put values into a live tensor or variable."""

    def watched(self, watch: "Watch") -> AbstractContextManager[None]:
        """A context in which the watch is told of float32 in the framework's operations."""

    def capture(
        self,
        train: Callable[[], Any],
        weights: Mapping[str, Any],
        *,
        function: Callable[..., Any],
        port: Any,
        initial: bool,
    ) -> "Capturing":
        """Run a training function as it is; ``train`` calls ``function`` with its arguments."""

    def observe(self) -> None:
        """Have every layer's output told to ``harness.contract.unmapped.HELD``, as long as that is blind.

        To ``harness.contract.probes.HEARD`` too, as long as that is on.
        """

    def identity(self, value: Any) -> tuple[Any, ...]:
        """The objects of which a record's tensor is made, as a layer holds them."""

    def fresh(self) -> bool:
        """Forget the last loop; whether all settings are as they were before it."""


def load(side: Side, threads: int) -> Framework:
    """Import one side's framework and settle everything that could change a number; no operation is run.

    The number of threads changes how sums are split, so it is set here, once for the process.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ |= threading(threads)
    with warnings.catch_warnings(), uncollected():
        warnings.simplefilter("ignore")  # what a framework says while it is loaded is not the user's doing
        if side == "torch":
            from harness.running.on_torch import Torch

            return Torch(threads)
        from harness.running.on_tensorflow import TensorFlow

        return TensorFlow(threads)


def load_capture(side: Side) -> None:
    """Import what captures a training function, once for all runs.

    It needs greenlet, which need not be there where no function is captured.
    """
    if find_spec("greenlet") is not None:
        import_module(f"harness.running.capture_{side}")
        import_module("harness.running.training_function")


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage: an import makes a million objects that stay, and a fifth of its time is looking at them."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


def in_precision(array: Array, precision: Precision) -> Array:
    """A floating-point array in this precision, a complex one of two such numbers; any other as it is."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128 if precision == "float64" else np.complex64)
    return array.astype(precision) if array.dtype.kind == "f" else array
