"""float32 inside a run that was asked for float64: where it happens, and whether it explains a difference.

TensorFlow turns Python numbers into float32 before it casts them (``tf.cast(0.9, tf.float64)`` is 0.8999999762), and
some kernels take attributes in float32 only. Such a leak looks like a small difference in the mathematics. It is told
apart by running again with the leaking constants made exact: if the difference goes away, the leak was the cause.
"""

import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = 6
"""A float32 that was written as a constant has at most this many significant decimal digits."""


PLUMBING = ("error_handler", "__call__", "cast", "convert_to_tensor", "wrapper")
"""Functions of Keras that everything goes through, so that naming them says nothing."""


@dataclass(frozen=True)
class Leak:
    """One place where float32 entered: what happened, in which line, and whether it can be made exact."""

    what: str
    where: str
    corrected: bool


class Watch:
    """Collects the leaks of the steps run inside ``active``; with ``correct`` the constants among them are made exact."""

    def __init__(self, *, correct: bool, harmless: Collection[float]) -> None:
        self.correct, self.harmless = correct, {float(np.float32(value)) for value in harmless}
        self.leaks: dict[tuple[str, str], Leak] = {}

    def note(self, what: str, *, corrected: bool = False) -> None:
        """Remember a leak, once per line of code."""
        where = place()
        self.leaks.setdefault((what, where), Leak(what, where, corrected))

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
                    exact = None if constant is None else self._exact(constant)
                    if exact is not None:
                        self.note(f"{shortest(constant)} goes through float32 on its way to float64", corrected=True)
                        if self.correct and graph is not None:
                            return [tf.constant(exact, tf.float64)]
            elif outputs and outputs[0].dtype == tf.float64:
                for name, value in zip(attrs[::2], attrs[1::2], strict=False) if attrs else ():
                    if isinstance(value, float) and float(np.float32(value)) != value and value not in self.harmless:
                        self.note(f"{op_type} takes {name}={value:g} as float32 only")
            return None

        plain_cast = gen_math_ops.cast

        def exact_cast(x: Any, DstT: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N803  # TensorFlow's own name
            """Casts constants as they were written; what a callback returns counts in graphs only, not in eager mode."""
            if DstT == tf.float64 and getattr(x, "dtype", None) == tf.float32 and hasattr(x, "numpy"):
                exact = self._exact(x.numpy())
                if exact is not None:
                    self.note(f"{shortest(x.numpy())} goes through float32 on its way to float64", corrected=True)
                    return tf.constant(exact, tf.float64)
            return plain_cast(x, DstT, *args, **kwargs)

        op_callbacks.add_op_callback(callback)
        if self.correct:
            gen_math_ops.cast = exact_cast
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
                if (
                    isinstance(out, torch.Tensor)
                    and out.dtype in small
                    and func.overloadpacket is torch.ops.aten._to_copy
                ):
                    watch.note(f"float64 is cast to {str(out.dtype).removeprefix('torch.')}")
                return out

        with Mode():
            yield

    def _exact(self, constant: Any) -> Any:
        """The float64 numbers that a float32 constant was written as, or None if it lost nothing or is no constant."""
        array = np.asarray(constant)
        if array.size == 0 or array.size > 16:
            return None
        written = np.array([float(shortest(value)) for value in array.ravel()]).reshape(array.shape)
        lost = [
            value for value, meant in zip(array.ravel(), written.ravel(), strict=True)
            if float(value) != meant and float(value) not in self.harmless
        ]  # fmt: skip
        short = all(len(shortest(value).split("e")[0].replace(".", "").strip("-0")) <= DIGITS for value in lost)
        return written if lost and short else None


def shortest(value: Any) -> str:
    """The shortest decimal that reads back to this float32; of the first element where there are several."""
    flat = np.asarray(value, np.float32).ravel()
    return repr(float(str(flat[0]))) if flat.size else ""


def place() -> str:
    """The line that is to blame: the user's own, and the framework's function that it went through."""
    frames = [frame for frame in traceback.extract_stack() if "importlib" not in frame.filename]
    library = [frame for frame in frames if "site-packages" in frame.filename]
    own = [frame for frame in frames if Path(frame.filename).name.startswith(("torch_loop", "tensorflow_loop"))]
    through = next(
        (frame for frame in reversed(library) if "keras" in frame.filename and frame.name not in PLUMBING), None
    )
    text = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "outside the loop"
    return f"{text} ({through.name} in {Path(through.filename).name})" if through else text
