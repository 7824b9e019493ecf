"""float32 that stays in a float64 run although it is kept wide: where it enters, and what it reaches.

Some kernels take attributes in float32 only, and a loop may ask for fewer bits in so many words. Such a leak looks like a
small difference in the mathematics. It is told apart by running again with whatever comes back from float32 moved a
little: a tensor that does not move has nothing to do with it.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract.recipes import BITS
from harness.running.start import Leak, Watched
from harness.running.wide import place as named
from harness.running.wide import stack, whose

MOVED = 1 + 2.0**-30
"""What comes back from float32 is multiplied by this, to see what it reaches."""

OURS = (("running", "on_torch.py"), ("running", "on_tensorflow.py"))
"""Where batches and weights become tensors, which is no part of the training."""

MAKERS = ("on_torch.py", "on_tensorflow.py")
"""Where batches and weights become tensors."""


class Watch:
    """Collects the leaks of the steps run inside ``tensorflow`` or ``torch``.

    harmless: numbers that are no leaks, as the hyperparameters' values, which were float32 before either side saw them.
    move: change whatever comes back from float32 a little, so that what it reaches can be told.
    """

    def __init__(self, harmless: Iterable[float] = (), *, move: bool = False) -> None:
        self.move, self.fixed = move, False
        self.harmless = {float(np.float32(number)) for number in harmless}
        self.leaks: dict[tuple[str, str, str], Leak] = {}
        self.returned = False

    def note(self, what: str, *, returns: bool = False) -> None:
        """Remember a leak, once per line of code. returns: float64 numbers are now what float32 has made of them."""
        line, through = place()
        if not line:
            return
        self.returned = self.returned or returns
        self.leaks.setdefault((what, line, through), Leak(what, line, through))

    @property
    def seen(self) -> Watched:
        """What was collected so far, as plain data."""
        return Watched(tuple(self.leaks.values()), self.returned, self.fixed)

    @contextmanager
    def tensorflow(self) -> Iterator[None]:
        """Watch every TensorFlow operation, eager or while a graph is built."""
        import tensorflow as tf
        from tensorflow.python.framework import op_callbacks, tensor_util
        from tensorflow.python.ops import gen_math_ops

        def callback(
            op_type: str, inputs: Any, attrs: Any, outputs: Any, op_name: Any = None, graph: Any = None
        ) -> Any:
            del op_name
            if op_type == "Cast" and outputs and inputs:
                source, target = inputs[0].dtype, outputs[0].dtype
                if source == tf.float64 and target in (tf.float32, tf.bfloat16, tf.float16):
                    self.note(f"float64 is cast to {target.name}")
                elif source == tf.float32 and target == tf.float64:
                    constant = tensor_util.constant_value(inputs[0])
                    if constant is None and hasattr(inputs[0], "numpy"):
                        constant = inputs[0].numpy()
                    if not counted(inputs[0]) if constant is None else self._lost(constant).any():
                        self.note("what was computed in float32 becomes float64", returns=True)
                        if graph is not None and self.move:
                            return [outputs[0] * MOVED]
            elif outputs and outputs[0].dtype == tf.float64:
                for name, value in zip(attrs[::2], attrs[1::2], strict=False) if attrs else ():
                    number = getattr(value, "f", None) if hasattr(value, "WhichOneof") else value
                    if isinstance(number, float) and self._lost(number).any():
                        self.fixed = True
                        self.note(f"{op_type} takes {name}={shortest(number)} as float32 only", returns=True)
            return None

        plain_cast = gen_math_ops.cast

        def moving_cast(x: Any, DstT: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N803  # TensorFlow's own name
            """Moves what a cast gives; what a callback returns counts in graphs only, not in eager mode."""
            made = plain_cast(x, DstT, *args, **kwargs)
            narrow = DstT == tf.float64 and getattr(x, "dtype", None) == tf.float32 and hasattr(x, "numpy")
            return made * MOVED if self.move and narrow and self._lost(x.numpy()).any() else made

        op_callbacks.add_op_callback(callback)
        gen_math_ops.cast = moving_cast
        try:
            yield
        finally:
            gen_math_ops.cast = plain_cast
            op_callbacks.remove_op_callback(callback)

    @contextmanager
    def torch(self) -> Iterator[None]:
        """Watch every torch operation."""
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode

        watch = self
        small = (torch.float32, torch.bfloat16, torch.float16)

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                del types
                out = func(*args, **(kwargs or {}))
                if isinstance(out, torch.Tensor):
                    taken = [arg for arg in args if isinstance(arg, torch.Tensor)]
                    if out.dtype in small and any(arg.dtype is torch.float64 for arg in taken):
                        watch.note(f"float64 is cast to {str(out.dtype).removeprefix('torch.')}")
                    elif out.dtype is torch.float64 and any(
                        arg.dtype in small and watch._lost(arg.detach().float().numpy()).any() for arg in taken
                    ):
                        watch.note("what was computed in float32 becomes float64", returns=True)
                        return out.mul_(MOVED) if watch.move else out
                return out

        with Mode():
            yield

    def _lost(self, values: Any) -> Any:
        """For each float32 number, whether it may be something else than was meant: not one of few bits, not harmless."""
        array = np.asarray(values, np.float32).ravel()
        few = np.ldexp(np.frexp(array)[0], BITS)
        return (few != np.rint(few)) & ~np.isin(array.astype(np.float64), list(self.harmless)) & np.isfinite(array)


def counted(tensor: Any) -> bool:
    """Whether a float32 tensor in a graph comes straight from whole numbers or truth values, so that it is exact."""
    made = getattr(tensor, "op", None)
    return made is not None and made.type == "Cast" and not made.inputs[0].dtype.is_floating


def shortest(value: Any) -> str:
    """The shortest decimal that reads back to this float32; of the first element where there are several."""
    flat = np.asarray(value, np.float32).ravel()
    return repr(float(str(flat[0]))) if flat.size else ""


def place() -> tuple[str, str]:
    """The line that is to blame: the user's own, and the library's function that it went through, if any.

    Two empty texts for what is no part of the training: initial values that the weights replace, and batches being made.
    """
    lines = list(stack(sys._getframe(2)))
    made = next((i for i, (file, _, _) in enumerate(lines) if whose(file) == "own"), len(lines))
    if any(Path(file).name in MAKERS for file, _, _ in lines[:made]):
        return "", ""
    line, through = named(iter(lines))
    # A sign survives any cast.
    return ("", "") if through.startswith("signbit ") else (line, through)
