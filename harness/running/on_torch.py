"""PyTorch, as a process that runs one of its loops needs it."""

import functools
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from typing import Any

import torch
import torch._dynamo  # torch imports it at the first optimizer step; before the fork it is imported once for all runs
from torch.nn.utils import rnn

from harness.contract.port import dense
from harness.contract.probes import HEARD
from harness.contract.recipes import Array
from harness.contract.unmapped import HELD
from harness.errors import UsageError
from harness.running import random_torch  # noqa: F401  # before the fork, once for all runs
from harness.running.frameworks import device, in_precision, load_capture, tf32
from harness.running.leaks import Watch
from harness.running.start import Precision


class Torch:
    """See Framework. A new process takes a hundredth of a second, so that none is used again."""

    dear = False

    def __init__(self, threads: int) -> None:
        self.threads = threads
        torch.use_deterministic_algorithms(True)
        self.versions: dict[str, str] = {"torch": str(torch.__version__)}
        self.precision: Precision = "float32"
        import_module("harness.mutations.mutated")
        load_capture("torch")
        with suppress(ImportError):  # an optimizer's first step asks for it: 12 ms a process
            import_module("torch.profiler._cupti_monitor")

    def begin(self, precision: Precision, seed: int, *, eager: bool = False) -> None:
        """See Framework."""
        del eager  # torch's loops are, and one that is compiled is judged as that
        self.precision = precision
        torch.set_default_dtype(getattr(torch, precision))
        if device():
            settle(device(), tf32=tf32())
        if torch.cuda.is_available():
            torch.manual_seed(seed)
        else:
            # torch.manual_seed also queues a seed, with the whole stack, for every device that is not there.
            torch.default_generator.manual_seed(seed)

    def tensor(self, array: Array) -> Any:
        """See Framework."""
        made = torch.from_numpy(in_precision(array, self.precision).copy())
        return made.to(device()) if device() else made

    def lend(self, value: Any) -> Array:
        """See Framework."""
        if not isinstance(value, torch.Tensor):
            return dense(value)
        value = value.detach()
        if value.layout is not torch.strided:
            value = value.to_dense()
        if value.dtype is torch.bfloat16:
            value = value.float()
        return value.resolve_conj().resolve_neg().cpu().numpy()

    def writable(self, target: Any) -> bool:
        """See Framework."""
        return isinstance(target, torch.Tensor)

    def address(self, target: Any) -> int:
        """See Framework."""
        return target.untyped_storage().data_ptr()

    def lives(self, target: Any) -> bool:
        """See Framework."""
        return self.address(target) in {tensor.untyped_storage().data_ptr() for tensor in held()}

    def write(self, target: Any, array: Array) -> None:
        """See Framework."""
        target.detach().copy_(self.tensor(array))

    def watched(self, watch: Watch) -> AbstractContextManager[None]:
        """See Framework."""
        return watch.torch()

    def capture(
        self,
        train: Callable[[], Any],
        weights: Mapping[str, Any],
        *,
        function: Callable[..., Any],
        port: Any,
        initial: bool,
    ) -> Any:
        """See Framework."""
        from harness.running.capture_torch import CaptureTorch

        del function
        if port is not None:
            raise UsageError("captured(..., port=...) belongs into the port's file: torch's names are the names")
        return CaptureTorch(train, weights, initial=initial)

    def observe(self) -> None:
        """See Framework."""

        def seen(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            own = [tensor for tensor in (*module._parameters.values(), *module._buffers.values()) if tensor is not None]
            if HELD.blind:
                HELD.variables.put_out(own, output)
            HEARD.hear(module, own, inputs, output, self.lend)

        if HELD.blind or HEARD.on:
            torch.nn.modules.module.register_module_forward_hook(seen)

    def identity(self, value: Any) -> tuple[Any, ...]:
        """See Framework."""
        return (value,)

    def fresh(self) -> bool:
        """See Framework."""
        return False


def settle(device: str, *, tf32: bool) -> None:
    """Make whatever the loop makes on a device, with products of float32 as asked for; raises UsageError if it is not there.

    In a run's own process: one that has touched CUDA cannot be forked. Kernels need not be the same each time: many have no
    such variant, and those that have may cost several times the run.
    """
    try:
        torch.set_default_device(device)
        torch.zeros(1)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0]
        raise UsageError(
            f"torch cannot make tensors on {device} here ({said}); leave --torch-device out, or mend it"
        ) from error
    lengths_stay_here()
    torch.use_deterministic_algorithms(False)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def lengths_stay_here() -> None:
    """Have the lengths of packed sequences given on the CPU, where torch asks for them, whatever device they were made on."""
    plain = rnn.pack_padded_sequence

    @functools.wraps(plain)
    def packed(sequence: Any, lengths: Any, *args: Any, **kwargs: Any) -> Any:
        return plain(sequence, lengths.cpu() if isinstance(lengths, torch.Tensor) else lengths, *args, **kwargs)

    rnn.pack_padded_sequence = packed


def held() -> Iterator[torch.Tensor]:
    """The parameters and buffers of every module, and the state of every optimizer, in this process."""
    for thing in gc.get_objects():
        if isinstance(thing, torch.nn.Module):
            yield from thing.parameters(recurse=False)
            yield from thing.buffers(recurse=False)
        elif isinstance(thing, torch.optim.Optimizer):
            for state in thing.state.values():
                yield from (value for value in state.values() if isinstance(value, torch.Tensor))
