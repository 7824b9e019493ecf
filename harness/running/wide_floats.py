"""Between TensorFlow's float32 and float64 in a float64 run: which is wider, what a number was meant to be, up and down."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops, tensor_conversion_registry
from tensorflow.python.ops import gen_math_ops

from harness.running.wide import Switch

WIDER = {tf.float32: tf.float64, tf.complex64: tf.complex128}
NARROWER = {wide: plain for plain, wide in WIDER.items()}
SINGLE = tuple(kind.as_datatype_enum for kind in WIDER)
"""The numbers by which TensorFlow's C code knows float32 and complex64."""

SMALL = (tf.float16, tf.bfloat16, tf.int8, tf.uint8, tf.int16, tf.uint16)
"""Dtypes that nobody casts to for want of a better default."""


EAGER = ops.EagerTensor


class Plainly(threading.local):
    """Whether this thread is to see TensorFlow as it is, where a true float32 is made on purpose."""

    on = False


def kind_of(value: Any) -> Any:
    """The dtype of a tensor or variable; None for everything else, NumPy's arrays included."""
    if type(value) is EAGER:
        return value.dtype
    kind = None if isinstance(value, np.ndarray | np.generic) else getattr(value, "dtype", None)
    if kind is None or isinstance(kind, tf.DType):
        return kind and kind.base_dtype
    try:
        return tf.as_dtype(kind)
    except TypeError:
        return None


def leaves(values: Sequence[Any]) -> Iterator[Any]:
    """What a nested list holds."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from leaves(value)
        else:
            yield value


@lru_cache(maxsize=1024)
def lossy(number: float) -> bool:
    """Whether float32 would change a number."""
    return number == number and float(np.float32(number)) != number


DEEP = 12
"""Lines of the call stack between a schedule and the conversion in it, at most."""


class Floats:
    """Between float32 and float64, past what is exchanged: the functions of TensorFlow as they were found."""

    def __init__(self, switch: Switch) -> None:
        self.switch, self.tell, self.plainly = switch, switch.tell, Plainly()
        self.cast, self.convert = gen_math_ops.cast, tensor_conversion_registry.convert

    @property
    def off(self) -> bool:
        """Whether TensorFlow is to do what it always does: no float64 run goes on, or a true float32 is being made."""
        return not self.switch.on or self.plainly.on

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """Inside, this thread's TensorFlow makes float32 where it is asked to."""
        was, self.plainly.on = self.plainly.on, True
        try:
            yield
        finally:
            self.plainly.on = was

    def up(self, value: Any) -> Any:
        """A float32 tensor or variable as a float64 tensor."""
        tensor = self.convert(value)
        return self.cast(tensor, WIDER.get(tensor.dtype, tensor.dtype))

    def down(self, value: Any, why: str) -> Any:
        """A float64 tensor or variable as a float32 tensor, with a note."""
        tensor = self.convert(value)
        self.tell("narrow", f"{tensor.dtype.name} is cast to {NARROWER[tensor.dtype].name}: {why}")
        with self.as_it_is():
            return self.cast(tensor, NARROWER[tensor.dtype])

    def widened(self, value: Any) -> Any:
        """A tensor that is truly float32 as float64; anything else as it is."""
        if type(value) is EAGER:
            known = value._datatype_enum() in SINGLE
        else:
            known = isinstance(value, tf.Tensor) and value.dtype in WIDER
        return self.up(value) if known and not self.off else value

    def meant(self, value: Any, dtype: Any) -> Any:
        """The dtype that numbers from Python are to have: what was asked for, or float64 where that is float32."""
        wide = None
        if dtype is not None:
            dtype = tf.as_dtype(dtype)
            wide = WIDER.get(dtype, dtype)
        elif isinstance(value, np.ndarray | np.generic):
            wide = WIDER.get(tf.as_dtype(value.dtype)) if value.dtype.kind in "fc" else None
        elif type(value) is float:
            wide = tf.float64
        elif isinstance(value, list | tuple):
            inner = list(leaves(value))
            tensors = any(hasattr(leaf, "dtype") and not isinstance(leaf, np.generic) for leaf in inner)
            wide = tf.float64 if not tensors and any(isinstance(leaf, float) for leaf in inner) else None
        if wide == tf.float64 and dtype != wide:
            self._lost(value)
        return wide

    def _lost(self, value: Any) -> None:
        """Note numbers that float32 would have changed."""
        if isinstance(value, np.ndarray | np.generic) and value.dtype == np.float32:
            return
        if type(value) is float:
            if lossy(value):
                self.tell("kept", f"{value!r} would be read as float32")
            elif scheduled():
                self.tell("kept", "a rate would be computed in float32")
            return
        if any(kind_of(leaf) is not None for leaf in leaves([value])):
            return
        array = np.asarray(value)
        if array.dtype == np.float64 and (array.astype(np.float32) != array)[np.isfinite(array)].any():
            said = repr(float(array)) if array.ndim == 0 else f"an array of {array.size} numbers"
            self.tell("kept", f"{said} would be read as float32")


def scheduled() -> bool:
    """Whether this happens in a schedule of Keras, which reads its numbers as float32 and goes on in it."""
    frame, left = sys._getframe(1), DEEP
    while frame is not None and left:
        if "learning_rate_schedule" in frame.f_code.co_filename:
            return True
        frame, left = frame.f_back, left - 1  # type: ignore[assignment]
    return False
