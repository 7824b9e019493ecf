"""TensorFlow's variables, arrays, loops, signatures and data sets in a float64 run: what is declared float32 is float64."""

import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops import from_generator_op
from tensorflow.python.data.util import structure
from tensorflow.python.eager import backprop
from tensorflow.python.eager.polymorphic_function import function_context, function_type_utils, polymorphic_function
from tensorflow.python.framework import tensor as tensor_module
from tensorflow.python.ops import check_ops, cond_v2, math_ops, resource_variable_ops, script_ops, while_v2
from tensorflow.python.types import core

from harness.running.wide import Patch
from harness.running.wide_floats import NARROWER, WIDER, Floats, kind_of

DECLARED = (("zeros", 1, tf.float32), ("ones", 1, tf.float32), ("one_hot", 5, None))
"""Functions that insist on the dtype they were asked for: name, position of ``dtype``, what it is if left out."""


def patches(floats: Floats) -> list[Patch]:
    """What to put where in TensorFlow so that what is declared float32 takes, and gives, float64."""
    return [*made(floats), *control(floats), *signatures(floats)]


def made(floats: Floats) -> list[Patch]:
    """What makes variables, arrays and constants of a dtype."""

    def variable(plain: Callable[..., Any]) -> Callable[..., Any]:
        """``tf.Variable``, eagerly and inside a function."""

        def init(self: Any, initial_value: Any = None, *args: Any, **named: Any) -> Any:
            asked = named.get("dtype")
            wide = WIDER.get(tf.as_dtype(asked) if asked is not None else kind_of(initial_value))
            if wide is not None and not floats.off:
                floats.tell("kept", f"a variable is declared {NARROWER[wide].name}")
                named["dtype"] = wide
            return plain(self, initial_value, *args, **named)

        return init

    def array(self: Any, dtype: Any, *args: Any, **named: Any) -> Any:
        """``tf.TensorArray``."""
        wide = WIDER.get(tf.as_dtype(dtype))
        if wide is not None and not floats.off:
            floats.tell("kept", f"a TensorArray is declared {NARROWER[wide].name}")
            dtype = wide
        plain_array(self, dtype, *args, **named)

    def declared(plain: Callable[..., Any], position: int, default: Any) -> Callable[..., Any]:
        def make(*args: Any, **named: Any) -> Any:
            asked = args[position] if len(args) > position else named.get("dtype", default)
            wide = None if asked is None or floats.off else WIDER.get(tf.as_dtype(asked))
            if wide is not None and len(args) > position:
                args = (*args[:position], wide, *args[position + 1 :])
            elif wide is not None:
                named["dtype"] = wide
            return plain(*args, **named)

        return make

    def fill(value: Any, shape: Any, dtype: Any) -> Any:
        """Zeros for a gradient are kept by TensorFlow under their dtype, so they must be of it."""
        with floats.as_it_is():
            return plain_fill(value, shape, dtype)

    plain_array, plain_fill = tf.TensorArray.__init__, backprop._fast_fill
    functions = {
        getattr(tf, name): declared(getattr(tf, name), position, default) for name, position, default in DECLARED
    }
    eager, lifted = resource_variable_ops.ResourceVariable, polymorphic_function.UnliftedInitializerVariable
    return [
        (eager, "_init_from_args", variable(eager._init_from_args)),
        (lifted, "__init__", variable(lifted.__init__)),
        (tf.TensorArray, "__init__", array),
        (backprop, "_fast_fill", fill),
        *(
            (module, name, functions[vars(module)[name]])
            for module in list(sys.modules.values())
            if module is not None
            for name, _, _ in DECLARED
            if callable(vars(module).get(name)) and vars(module)[name] in functions
        ),
    ]


def control(floats: Floats) -> list[Patch]:
    """Loops and branches, whose parts must agree on a dtype, and a division that looks at it first."""

    def every(value: Any) -> Any:
        return value if floats.off else tf.nest.map_structure(floats.widened, value)

    def loop(condition: Any, body: Any, loop_vars: Any, *others: Any, **named: Any) -> Any:
        return plain_loop(condition, body, every(loop_vars), *others, **named)

    def branch(function: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: every(function())

    def condition(pred: Any, true_fn: Any, false_fn: Any, *others: Any, **named: Any) -> Any:
        return plain_cond(pred, branch(true_fn), branch(false_fn), *others, **named)

    def case(index: Any, branches: Any, *others: Any, **named: Any) -> Any:
        return plain_case(index, [branch(function) for function in branches], *others, **named)

    def quotient(x: Any, y: Any, name: Any = None) -> Any:
        if not floats.off and {kind_of(x), kind_of(y)} & set(NARROWER):
            x, y = floats.widened(x), floats.widened(y)
        return plain_quotient(x, y, name)

    plain_loop, plain_cond, plain_case = while_v2.while_loop, cond_v2.cond_v2, cond_v2.indexed_case
    plain_quotient = math_ops._truediv_python3
    return [
        (while_v2, "while_loop", loop),
        (cond_v2, "cond_v2", condition),
        (cond_v2, "indexed_case", case),
        (math_ops, "_truediv_python3", quotient),
    ]


def signatures(floats: Floats) -> list[Patch]:
    """Functions, data sets and assertions that declare a type."""

    def wide(spec: Any) -> Any:
        known = type(spec) is tf.TensorSpec and spec.dtype in WIDER
        return tf.TensorSpec(spec.shape, WIDER[spec.dtype], spec.name) if known else spec

    def function_type(function: Any, input_signature: Any) -> Any:
        """The signature that a ``tf.function`` is declared with."""
        return plain_type(
            function, tf.nest.map_structure(wide, input_signature) if input_signature else input_signature
        )

    def argument(self: Any, value: Any, context: Any) -> Any:
        """What a ``tf.function`` is called with, where it was traced in another precision."""
        kind = kind_of(value) if isinstance(value, core.Tensor) and not floats.off else None
        if kind in WIDER and self.dtype == WIDER[kind]:
            value = floats.up(value)
        elif kind in NARROWER and self.dtype == NARROWER[kind]:
            value = floats.down(value, "a function's signature takes no other")
        return plain_argument(self, value, context)

    def context(scope_type: Any = None) -> Any:
        """Functions traced in a wide run are no other run's, and none of theirs are this run's."""
        found = plain_context(scope_type)
        return found if floats.off else found._replace(context=("wide", found.context))

    def generator(self: Any, *args: Any, **named: Any) -> None:
        """A data set's generator gives float64, for its traced function does."""
        if floats.off:
            pass
        elif "output_signature" in named:
            named["output_signature"] = tf.nest.map_structure(wide, named["output_signature"])
        else:
            args = (*args[:4], tf.nest.map_structure(wide, args[4]), *args[5:])
        plain_generator(self, *args, **named)

    def element(spec: Any, tensors: Any) -> Any:
        """What a data set's function is given, which was float32 before the run could see it."""
        made = plain_element(spec, tensors)
        return made if floats.off else tf.nest.map_structure(floats.widened, made)

    def returned(self: Any, value: Any, dtype: Any) -> Any:
        """What a ``tf.py_function`` hands back has the type that it was declared with."""
        found = plain_returned(self, value, dtype)
        known = not floats.off and kind_of(found) == WIDER.get(tf.as_dtype(dtype), tf.resource)
        return floats.down(found, "py_function declares it") if known else found

    def assert_type(tensor: Any, tf_type: Any, *others: Any, **named: Any) -> Any:
        asked = tf.as_dtype(tf_type)
        wide = tf.resource if floats.off else WIDER.get(asked, tf.resource)
        return plain_assert(tensor, wide if kind_of(tensor) == wide else asked, *others, **named)

    plain_type, plain_context = function_type_utils.make_function_type, function_context.make_function_context
    plain_argument, plain_generator = tensor_module.TensorSpec.cast, from_generator_op._GeneratorDataset.__init__
    plain_element, plain_returned = structure.from_compatible_tensor_list, script_ops.EagerFunc._convert
    plain_assert = check_ops.assert_type
    return [
        (function_type_utils, "make_function_type", function_type),
        (tensor_module.TensorSpec, "cast", argument),
        (function_context, "make_function_context", context),
        (from_generator_op._GeneratorDataset, "__init__", generator),
        (structure, "from_compatible_tensor_list", element),
        (script_ops.EagerFunc, "_convert", returned),
        (check_ops, "assert_type", assert_type),
    ]
