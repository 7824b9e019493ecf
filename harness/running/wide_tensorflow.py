"""TensorFlow and Keras kept float64: Python floats at the entry of every conversion, casts, variables, results of operations.

Only Python entry points are exchanged, so kernels run at their usual speed; they are the same in eager mode and while
a graph is traced. What a float32 type reaches nevertheless (a kernel without float64, a fixed type) is made to fit:
where float64 meets float32 the float32 is cast up, and where only float32 is taken the float64 is cast down.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np

from harness.running.wide import Patch, Tell

FLOAT32, FLOAT64, RESOURCE = 1, 2, 20
WIDER = {FLOAT32: FLOAT64, 8: 18}
"""TensorFlow's numbers of float32 and complex64, and of what they become."""

CALLS = (
    "Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "While", "StatelessWhile", "If", "StatelessIf", "Case",
    "StatelessCase", "PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient",
)  # fmt: skip
"""Operations whose results belong to a signature, so that they stay what they are."""

CODES = (3, 5, 12, 13)
"""The errors that a wrong dtype gives: invalid argument, not found, unimplemented, internal."""


class Plainly(threading.local):
    """Whether this thread is to see TensorFlow as it is: where a true float32 is made on purpose."""

    on = False


@cache
def signature(operation: str) -> list[tuple[str, int, str]]:
    """For each input of an operation: its name, its type's number if that is fixed, and the attribute that decides it if not."""
    from tensorflow.python.framework import op_def_registry

    found = op_def_registry.get(operation)
    return [(arg.name, arg.type, arg.type_attr) for arg in found.input_arg] if found is not None else []


@cache
def narrow_only(operation: str) -> frozenset[str]:
    """The attributes of an operation that no definition or kernel on a CPU allows to be float64."""
    from tensorflow.python.framework import kernels, op_def_registry

    found = op_def_registry.get(operation)
    types = {attr.name: attr.allowed_values.list.type for attr in found.attr if attr.type == "type"}
    never = {name for name, allowed in types.items() if allowed and FLOAT64 not in allowed}
    here = [kernel for kernel in kernels.get_registered_kernels_for_op(operation).kernel if kernel.device_type == "CPU"]
    for name in set(types) - never:
        taken = [
            {kind for limit in kernel.constraint if limit.name == name for kind in limit.allowed_values.list.type}
            for kernel in here
        ]
        if here and all(kinds and FLOAT64 not in kinds for kinds in taken) and any(FLOAT32 in kinds for kinds in taken):
            never.add(name)
    return frozenset(never)


def numbers(values: Sequence[Any]) -> Iterator[Any]:
    """The leaves of a nested list."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from numbers(value)
        else:
            yield value


def patches(tell: Tell) -> list[Patch]:
    """What to put where in TensorFlow while a float64 run goes on."""
    import tensorflow as tf
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.data.ops import from_generator_op
    from tensorflow.python.data.util import structure
    from tensorflow.python.eager import backprop, core, execute
    from tensorflow.python.eager.polymorphic_function import function_context, function_type_utils, polymorphic_function
    from tensorflow.python.framework import constant_op, op_def_library, tensor_conversion_registry
    from tensorflow.python.framework import tensor as tensor_module
    from tensorflow.python.ops import (
        check_ops,
        cond_v2,
        gen_math_ops,
        math_ops,
        resource_variable_ops,
        script_ops,
        tensor_array_ops,
        while_v2,
    )  # fmt: skip
    from tensorflow.python.types import core as types

    plainly = Plainly()
    wider = {tf.float32: tf.float64, tf.complex64: tf.complex128}
    narrower = {wide: plain for plain, wide in wider.items()}
    small = (tf.float16, tf.bfloat16, tf.int8, tf.uint8, tf.int16, tf.uint16)
    eager = type(tf.constant(0))

    plain_cast, plain_convert, plain_constant = (
        gen_math_ops.cast, tensor_conversion_registry.convert, constant_op._constant_impl
    )  # fmt: skip
    plain_run, plain_add = pywrap_tfe.TFE_Py_FastPathExecute, op_def_library._apply_op_helper

    @contextmanager
    def as_it_is() -> Iterator[None]:
        was, plainly.on = plainly.on, True
        try:
            yield
        finally:
            plainly.on = was

    def kind_of(value: Any) -> Any:
        """The dtype of a tensor or variable; None for everything else."""
        if isinstance(value, np.ndarray | np.generic) or not hasattr(value, "dtype"):
            return None
        try:
            return tf.as_dtype(value.dtype).base_dtype
        except TypeError:
            return None

    def up(value: Any) -> Any:
        return plain_cast(plain_convert(value), wider[kind_of(value)])

    def down(value: Any, why: str) -> Any:
        tell("narrow", f"float64 is cast to float32: {why}")
        with as_it_is():
            return plain_cast(plain_convert(value), narrower[kind_of(value)])

    def widened(value: Any) -> Any:
        """A tensor that is truly float32 as float64; anything else as it is."""
        return up(value) if isinstance(value, types.Tensor) and kind_of(value) in wider else value

    # Python numbers, at the entry.

    def meant(value: Any, dtype: Any) -> Any:
        """The dtype that numbers from Python are to have: what was asked for, or float64 where that is float32."""
        if dtype is not None:
            dtype = tf.as_dtype(dtype)
            wide = wider.get(dtype, dtype)
        elif isinstance(value, np.ndarray | np.generic):
            wide = wider.get(tf.as_dtype(value.dtype)) if value.dtype.kind in "fc" else None
        elif type(value) is float:
            wide = tf.float64
        elif isinstance(value, list | tuple):
            leaves = list(numbers(value))
            tensors = any(hasattr(leaf, "dtype") and not isinstance(leaf, np.generic) for leaf in leaves)
            wide = tf.float64 if not tensors and any(isinstance(leaf, float) for leaf in leaves) else None
        else:
            wide = None
        if wide == tf.float64 and dtype != wide:
            lost(value)
        return wide

    def lost(value: Any) -> None:
        """Note numbers that float32 would have changed."""
        if type(value) is float:
            if float(np.float32(value)) != value and value == value:
                tell("kept", f"{value!r} would be read as float32")
        elif not (isinstance(value, np.ndarray | np.generic) and value.dtype == np.float32):
            array = np.asarray(value)
            if array.dtype == np.float64 and (array.astype(np.float32) != array)[np.isfinite(array)].any():
                said = repr(float(array)) if array.ndim == 0 else f"{array.size} numbers"
                tell("kept", f"{said} would be read as float32")

    def convert(
        value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False, preferred_dtype: Any = None,
        accepted_result_types: Any = (types.Symbol,),
    ) -> Any:  # fmt: skip
        """``tf.convert_to_tensor`` and what every operation does to its inputs."""
        asked = dtype if dtype is not None else preferred_dtype
        if plainly.on:
            return plain_convert(value, dtype, name, as_ref, preferred_dtype, accepted_result_types)
        asked = None if asked is None else tf.as_dtype(asked).base_dtype
        if asked in wider or asked in narrower:
            have = kind_of(value)
            if have is not None:
                made = plain_convert(value, None, name, as_ref, None, accepted_result_types)
                have = kind_of(made)
                if narrower.get(have) == asked or have == asked:
                    return made
                if wider.get(have) == asked:
                    return up(made)
                return plain_convert(made, dtype, name, as_ref, preferred_dtype, accepted_result_types)
            if isinstance(value, float | list | tuple | np.ndarray | np.generic):
                asked = meant(value, asked)
            if dtype is not None:
                return plain_convert(value, wider.get(asked, asked), name, as_ref, None, accepted_result_types)
            return plain_convert(value, None, name, as_ref, wider.get(asked, asked), accepted_result_types)
        if asked is None and isinstance(value, float | list | tuple | np.ndarray | np.generic):
            return plain_convert(value, meant(value, None), name, as_ref, None, accepted_result_types)
        return plain_convert(value, dtype, name, as_ref, preferred_dtype, accepted_result_types)

    def constant(value: Any, dtype: Any, *others: Any, **named: Any) -> Any:
        """``tf.constant``."""
        if not plainly.on and isinstance(value, float | int | list | tuple | np.ndarray | np.generic):
            dtype = meant(value, dtype)
        elif not plainly.on and dtype is not None and kind_of(value) == wider.get(tf.as_dtype(dtype)):
            dtype = None
        return plain_constant(value, dtype, *others, **named)

    # Casts.

    def cast(x: Any, DstT: Any, Truncate: bool = False, name: Any = None) -> Any:  # noqa: N803  # TensorFlow's own names
        """``tf.cast`` of a tensor: one to float32 stays, or becomes, float64; one to fewer bits is done and noted."""
        target, source = tf.as_dtype(DstT).base_dtype, kind_of(x)
        if plainly.on or source is None:
            return plain_cast(x, DstT, Truncate, name)
        if target in wider:
            if source.is_floating or source.is_complex:
                tell("kept", f"{source.name} is cast to {target.name}")
            return x if source == wider[target] else plain_cast(x, wider[target], Truncate, name)
        if target in small and source in narrower:
            tell("narrow", f"{source.name} is cast to {target.name}")
        return plain_cast(x, DstT, Truncate, name)

    # Operations: inputs that fit together, results that are float64.

    def fitted(operation: str, values: list[Any]) -> list[Any]:
        """The inputs of an operation with float32 and float64 brought together."""
        inputs = signature(operation)[: len(values)]
        parts = [value if isinstance(value, list | tuple) else [value] for value in values]
        kinds = [{kind_of(part) for part in some} for some in parts]
        made = []
        for (_, fixed, attr), value, some in zip(inputs, values, parts, strict=False):
            group = set().union(
                *(kind for (_, _, other), kind in zip(inputs, kinds, strict=False) if attr and other == attr)
            )
            holder = held(values[0]) if inputs[0][1] == RESOURCE and attr else None
            if fixed in WIDER or attr in narrow_only(operation) or holder in wider:
                taken = [
                    down(part, f"{operation} takes no other") if kind_of(part) in narrower
                    else plain_float32(part, fixed) for part in some
                ]  # fmt: skip
            elif group & set(narrower) or holder in narrower:
                taken = [up(part) if kind_of(part) in wider else part for part in some]
            else:
                taken = some
            same = all(a is b for a, b in zip(taken, some, strict=True))
            made.append(value if same else taken if isinstance(value, list | tuple) else taken[0])
        return made + values[len(inputs) :]

    def plain_float32(part: Any, fixed: int) -> Any:
        """A Python number for an input that is float32 whatever else there is."""
        if fixed in WIDER and isinstance(part, float | int) and not isinstance(part, bool):
            with as_it_is():
                return plain_convert(part, tf.as_dtype(fixed))
        return part

    def held(handle: Any) -> Any:
        """The dtype of the variable behind a resource handle, if it is known."""
        shapes = getattr(getattr(handle, "_handle_data", None), "shape_and_type", None)
        return tf.as_dtype(shapes[0].dtype) if shapes and shapes[0].dtype else None

    def entered(args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Inputs of an operation whose first is a Python float that no tensor beside it gives a dtype."""
        if any(kind_of(part) in wider or kind_of(part) in narrower for part in args[1:]):
            return args
        wide = meant(args[0], None)
        return args if wide is None else (plain_convert(args[0], wide), *args[1:])

    def bits(args: tuple[Any, ...]) -> bool:
        """Whether a bitcast was written for the four bytes of a float32."""
        wanted = [value for name, value in zip(args[1::2], args[2::2], strict=False) if name == "type"]
        return bool(wanted) and tf.as_dtype(wanted[0]).size == 4 and kind_of(args[0]) == tf.float64

    def run(context: Any, operation: str, name: Any, *args: Any) -> Any:
        """Every operation in eager mode."""
        if plainly.on:
            return plain_run(context, operation, name, *args)
        if args:
            if type(args[0]) in (float, list, tuple):
                args = entered(args)
            elif operation == "Bitcast" and bits(args):
                args = (down(args[0], "its bits are taken"), *args[1:])
        try:
            made = plain_run(context, operation, name, *args)
        except core._NotOkStatusException as error:
            if error.code not in CODES:
                raise
            made = mended(context, operation, name, args)
            if made is mended:
                raise
        if type(made) is eager:
            return up(made) if made._datatype_enum() in WIDER and operation not in CALLS else made
        if type(made) is list and operation not in CALLS:
            return [up(part) if type(part) is eager and part._datatype_enum() in WIDER else part for part in made]
        return made

    def mended(context: Any, operation: str, name: Any, args: tuple[Any, ...]) -> Any:
        """What a failed operation gives with inputs that fit, or in float32 if only that works; this function if neither does."""
        some = len(signature(operation))
        inputs, attrs = list(args[:some]), args[some:]
        fit = fitted(operation, inputs)
        if any(a is not b for a, b in zip(fit, inputs, strict=True)):
            with suppress(core._NotOkStatusException):
                return plain_run(context, operation, name, *fit, *attrs)
        narrow = [
            [down(part, f"{operation} takes no other") if kind_of(part) in narrower else part for part in value]
            if isinstance(value, list | tuple) and any(kind_of(part) in narrower for part in value)
            else down(value, f"{operation} takes no other") if kind_of(value) in narrower else value
            for value in inputs
        ]  # fmt: skip
        if all(a is b for a, b in zip(narrow, inputs, strict=True)):
            return mended
        try:
            return plain_run(context, operation, name, *narrow, *attrs)
        except core._NotOkStatusException:
            return mended

    def add(operation: str, name: Any = None, **keywords: Any) -> Any:
        """Every operation while a graph is traced; what does not fit there would fail only when it runs."""
        if plainly.on:
            return plain_add(operation, name, **keywords)
        names = [arg for arg, _, _ in signature(operation) if arg in keywords]
        if (
            operation == "Bitcast"
            and tf.as_dtype(keywords["type"]).size == 4
            and kind_of(keywords["input"]) == tf.float64
        ):
            keywords["input"] = down(keywords["input"], "its bits are taken")
        elif names:
            keywords.update(zip(names, fitted(operation, [keywords[arg] for arg in names]), strict=True))
        structure, stateful, made, outputs = plain_add(operation, name, **keywords)
        if operation not in CALLS and any(output.dtype in wider for output in outputs):
            outputs = [up(output) if output.dtype in wider else output for output in outputs]
        return structure, stateful, made, outputs

    plain_matching = execute.args_to_matching_eager

    def matching(inputs: Any, *others: Any, **named: Any) -> Any:
        """Inputs of an eager operation that had to be converted first."""
        kinds = {kind_of(part) for part in inputs}
        if not plainly.on and kinds & set(narrower):
            inputs = [widened(part) for part in inputs]
        return plain_matching(inputs, *others, **named)

    def slow(op_name: Any, num_outputs: Any, inputs: Any, attrs: Any, ctx: Any, name: Any = None) -> Any:
        """An eager operation whose arguments had to be converted first, or a call of a function."""
        called = op_name.decode() if isinstance(op_name, bytes) else op_name
        known = not plainly.on and called not in CALLS and len(signature(called)) == len(inputs) > 0
        if known and any(fixed in WIDER or attr in narrow_only(called) for _, fixed, attr in signature(called)):
            inputs = fitted(called, list(inputs))
            kinds = {
                attr: part.dtype.as_datatype_enum
                for (_, _, attr), part in zip(signature(called), inputs, strict=True)
                if attr
            }
            named = zip(attrs[::2], attrs[1::2], strict=True) if attrs else ()
            attrs = tuple(part for key, value in named for part in (key, kinds.get(key, value)))
        made = plain_slow(op_name, num_outputs, inputs=inputs, attrs=attrs, ctx=ctx, name=name)
        return [widened(part) for part in made] if known and isinstance(made, list) else made

    plain_slow = execute.execute

    # State, loops, signatures and debugging.

    def typed(plain: Callable[..., Any], what: str) -> Callable[..., Any]:
        """A constructor whose ``dtype`` is float64 where float32 was asked for."""

        def made(self: Any, *args: Any, **named: Any) -> Any:
            asked = named.get("dtype", args[0] if what == "TensorArray" and args else None)
            first = named.get("initial_value", args[0] if what != "TensorArray" and args else None)
            if not plainly.on:
                wide = wider.get(tf.as_dtype(asked) if asked is not None else kind_of(first))
                if wide is not None:
                    tell("kept", f"a {what} is asked for as {narrower[wide].name}")
                    if what == "TensorArray" and "dtype" not in named:
                        args = (wide, *args[1:])
                    else:
                        named["dtype"] = wide
            return plain(self, *args, **named)

        return made

    def of_dtype(plain: Callable[..., Any], position: int, default: Any) -> Callable[..., Any]:
        """A function that makes a tensor of a ``dtype`` and then insists that it has made one of it."""

        def made(*args: Any, **named: Any) -> Any:
            asked = args[position] if len(args) > position else named.get("dtype", default)
            wide = None if asked is None or plainly.on else wider.get(tf.as_dtype(asked))
            if wide is not None and len(args) > position:
                args = (*args[:position], wide, *args[position + 1 :])
            elif wide is not None:
                named["dtype"] = wide
            return plain(*args, **named)

        return made

    def quotient(x: Any, y: Any, name: Any = None) -> Any:
        """``x / y``, which looks at the dtypes before the operation does."""
        kinds = {kind_of(x), kind_of(y)}
        return plain_quotient(*(map(widened, (x, y)) if kinds & set(narrower) else (x, y)), name)

    def element(spec: Any, tensors: Any) -> Any:
        """What a dataset's function is given, which was float32 before the run could see it."""
        made = plain_element(spec, tensors)
        return made if plainly.on else tf.nest.map_structure(widened, made)

    def wide_loop(condition: Any, body: Any, loop_vars: Any, *others: Any, **named: Any) -> Any:
        loop_vars = tf.nest.map_structure(widened, loop_vars)
        return plain_loop(condition, body, loop_vars, *others, **named)

    def wide_branch(branch: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: tf.nest.map_structure(widened, branch())

    def wide_cond(pred: Any, true_fn: Any, false_fn: Any, *others: Any, **named: Any) -> Any:
        return plain_cond(pred, wide_branch(true_fn), wide_branch(false_fn), *others, **named)

    def wide_case(index: Any, branches: Any, *others: Any, **named: Any) -> Any:
        return plain_case(index, [wide_branch(branch) for branch in branches], *others, **named)

    plain_loop, plain_cond, plain_case = while_v2.while_loop, cond_v2.cond_v2, cond_v2.indexed_case

    def wide_spec(spec: Any) -> Any:
        if type(spec) is tf.TensorSpec and spec.dtype in wider:
            return tf.TensorSpec(spec.shape, wider[spec.dtype], spec.name)
        return spec

    def wide_type(function: Any, input_signature: Any) -> Any:
        """The signature that a ``tf.function`` is declared with."""
        if input_signature is not None:
            input_signature = tf.nest.map_structure(wide_spec, input_signature)
        return plain_type(function, input_signature)

    def wide_generator(self: Any, *args: Any, **named: Any) -> None:
        """A dataset's generator gives float64, for its traced function does."""
        if "output_signature" in named:
            named["output_signature"] = tf.nest.map_structure(wide_spec, named["output_signature"])
        elif len(args) > 4:
            args = (*args[:4], tf.nest.map_structure(wide_spec, args[4]), *args[5:])
        plain_generator(self, *args, **named)

    def spec_cast(self: Any, value: Any, context: Any) -> Any:
        """An argument for a function that was traced in another precision."""
        kind = kind_of(value) if isinstance(value, types.Tensor) else None
        if kind in wider and self.dtype == wider[kind]:
            value = up(value)
        elif kind in narrower and self.dtype == narrower[kind]:
            value = down(value, "a function's signature takes no other")
        return plain_spec_cast(self, value, context)

    def own_traces(scope_type: Any = None) -> Any:
        """Functions traced in a wide run are no other run's, and none of theirs are this run's."""
        made = plain_context(scope_type)
        return made._replace(context=("wide", made.context))

    def returned(self: Any, value: Any, dtype: Any) -> Any:
        """What a ``tf.py_function`` hands back has the type that it was declared with."""
        made = plain_returned(self, value, dtype)
        asked = tf.as_dtype(dtype)
        return down(made, "py_function declares it") if asked in wider and kind_of(made) == wider[asked] else made

    def fill(value: Any, shape: Any, dtype: Any) -> Any:
        """Zeros for a gradient are kept by TensorFlow under their dtype, so they must be of it."""
        with as_it_is():
            return plain_fill(value, shape, dtype)

    def wide_assert(tensor: Any, tf_type: Any, *others: Any, **named: Any) -> Any:
        wide = wider.get(tf.as_dtype(tf_type))
        return plain_assert(tensor, wide if wide is not None and kind_of(tensor) == wide else tf_type, *others, **named)

    plain_quotient, plain_element = math_ops._truediv_python3, structure.from_compatible_tensor_list
    plain_type, plain_context = function_type_utils.make_function_type, function_context.make_function_context
    plain_spec_cast, plain_generator = tensor_module.TensorSpec.cast, from_generator_op._GeneratorDataset.__init__
    plain_returned, plain_fill, plain_assert = script_ops.EagerFunc._convert, backprop._fast_fill, check_ops.assert_type
    variable, lifted = resource_variable_ops.ResourceVariable, polymorphic_function.UnliftedInitializerVariable
    array = tensor_array_ops.TensorArray
    made_of = [
        (module, name, of_dtype(plain, position, default))
        for name, position, default in (("zeros", 1, tf.float32), ("ones", 1, tf.float32), ("one_hot", 5, None))
        for plain in (getattr(tf, name),)
        for module in list(sys.modules.values())
        if module is not None and vars(module).get(name) is plain
    ]
    return [
        *made_of,
        (math_ops, "_truediv_python3", quotient),
        (structure, "from_compatible_tensor_list", element),
        (gen_math_ops, "cast", cast),
        (tensor_conversion_registry, "convert", convert),
        (constant_op, "_constant_impl", constant),
        (pywrap_tfe, "TFE_Py_FastPathExecute", run),
        (op_def_library, "_apply_op_helper", add),
        (execute, "args_to_matching_eager", matching),
        (execute, "execute", slow),
        (variable, "_init_from_args", typed(variable._init_from_args, "variable")),
        (lifted, "__init__", typed(lifted.__init__, "variable")),
        (array, "__init__", typed(array.__init__, "TensorArray")),
        (while_v2, "while_loop", wide_loop),
        (cond_v2, "cond_v2", wide_cond),
        (cond_v2, "indexed_case", wide_case),
        (function_type_utils, "make_function_type", wide_type),
        (function_context, "make_function_context", own_traces),
        (from_generator_op._GeneratorDataset, "__init__", wide_generator),
        (tensor_module.TensorSpec, "cast", spec_cast),
        (script_ops.EagerFunc, "_convert", returned),
        (backprop, "_fast_fill", fill),
        (check_ops, "assert_type", wide_assert),
    ]
