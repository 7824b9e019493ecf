"""TensorFlow and Keras kept float64: Python floats at the entry of every conversion, and casts to float32.

Only Python entry points are exchanged, so kernels run at their usual speed; they are the same in eager mode and while
a graph is traced. Operations are in ``wide_operations`` and ``wide_attributes``, variables, loops and signatures in
``wide_state``.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import constant_op, tensor_conversion_registry
from tensorflow.python.ops import gen_math_ops
from tensorflow.python.types import core

from harness.running import wide_attributes, wide_operations, wide_state
from harness.running.wide import Patch, Switch
from harness.running.wide_floats import EAGER, NARROWER, SMALL, WIDER, Floats, kind_of


def patches(switch: Switch) -> list[Patch]:
    """What to put where in TensorFlow while a float64 run goes on."""
    floats = Floats(switch)
    return [
        *numbers(floats),
        *wide_operations.patches(floats),
        *wide_attributes.patches(floats),
        *wide_state.patches(floats),
    ]


def numbers(floats: Floats) -> list[Patch]:
    """Conversions and casts, where Python floats and tensors enter."""
    plain_convert, plain_cast, plain_constant = floats.convert, floats.cast, constant_op._constant_impl
    from_python = (float, list, tuple, np.ndarray, np.generic)

    def convert(
        value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False, preferred_dtype: Any = None,
        accepted_result_types: Any = (core.Symbol,),
    ) -> Any:  # fmt: skip
        """``tf.convert_to_tensor``, and what every operation does to its inputs."""
        asked = dtype if dtype is not None else preferred_dtype
        if floats.off or (type(value) is EAGER and (asked is None or value.dtype is asked)):
            return plain_convert(value, dtype, name, as_ref, preferred_dtype, accepted_result_types)
        asked = None if asked is None else tf.as_dtype(asked).base_dtype
        if asked is not None and asked not in WIDER and asked not in NARROWER:
            return plain_convert(value, dtype, name, as_ref, preferred_dtype, accepted_result_types)
        if asked is not None and kind_of(value) is not None:
            made = plain_convert(value, None, name, as_ref, None, accepted_result_types)
            if made.dtype == asked or NARROWER.get(made.dtype) == asked:
                return made
            if WIDER.get(made.dtype) == asked:
                return floats.up(made)
            return plain_convert(made, dtype, name, as_ref, preferred_dtype, accepted_result_types)
        wide = floats.meant(value, asked) if isinstance(value, from_python) else WIDER.get(asked, asked)
        hint = dtype is None and asked is not None
        return plain_convert(value, None if hint else wide, name, as_ref, wide if hint else None, accepted_result_types)

    def constant(value: Any, dtype: Any, *others: Any, **named: Any) -> Any:
        """``tf.constant``."""
        if not floats.off and isinstance(value, (int, *from_python)):
            dtype = floats.meant(value, dtype)
        elif not floats.off and dtype is not None and kind_of(value) == WIDER.get(tf.as_dtype(dtype)):
            dtype = None
        return plain_constant(value, dtype, *others, **named)

    def cast(x: Any, DstT: Any, Truncate: bool = False, name: Any = None) -> Any:  # noqa: N803  # TensorFlow's own names
        """``tf.cast`` of a tensor: one to float32 stays, or becomes, float64; one to fewer bits is done and noted."""
        target, source = tf.as_dtype(DstT).base_dtype, kind_of(x)
        if floats.off or source is None:
            return plain_cast(x, DstT, Truncate, name)
        if target in WIDER:
            if source.is_floating or source.is_complex:
                floats.tell("kept", f"{source.name} is cast to {target.name}")
            return x if source == WIDER[target] else plain_cast(x, WIDER[target], Truncate, name)
        if target in SMALL and source in NARROWER:
            floats.tell("narrow", f"{source.name} is cast to {target.name}")
        return plain_cast(x, DstT, Truncate, name)

    return [
        (tensor_conversion_registry, "convert", convert),
        (constant_op, "_constant_impl", constant),
        (gen_math_ops, "cast", cast),
    ]
