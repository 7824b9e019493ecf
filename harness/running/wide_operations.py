"""TensorFlow's operations in a float64 run: inputs of two precisions are made to fit, results are float64.

What a float32 reaches nevertheless must run: where float64 meets float32, the float32 is cast up; where an operation
takes float32 only (a fixed type, no kernel for float64, a variable that is float32), the float64 is cast down.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import core, execute
from tensorflow.python.framework import kernels, op_def_library, op_def_registry

from harness.running.wide import Patch
from harness.running.wide_floats import EAGER, NARROWER, SINGLE, WIDER, Floats, kind_of, leaves

FLOAT32, FLOAT64, RESOURCE = (kind.as_datatype_enum for kind in (tf.float32, tf.float64, tf.resource))

CALLS = (
    "Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "While", "StatelessWhile", "If", "StatelessIf", "Case",
    "StatelessCase", "PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient",
)  # fmt: skip
"""Operations whose results belong to a signature, so that they stay what they are."""

CODES = (3, 5, 12, 13)
"""The errors that a wrong dtype gives: invalid argument, not found, unimplemented, internal."""


@cache
def inputs_of(operation: str) -> list[tuple[str, int, str]]:
    """For each input of an operation: its name, its type's number if that is fixed, the attribute that decides it if not."""
    found = op_def_registry.get(operation)
    return [(arg.name, arg.type, arg.type_attr) for arg in found.input_arg] if found is not None else []


def without_double(every: Iterable[Any]) -> dict[str, frozenset[str]]:
    """By operation, the attributes that some of these kernels on a CPU let be float32, and none float64.

    every: what TensorFlow has registered, as KernelDefs. An attribute that a kernel says nothing of may be anything there.
    """
    never: dict[str, set[str]] = {}
    single: dict[str, set[str]] = {}
    for kernel in every:
        if kernel.device_type != "CPU":
            continue
        limits = [(limit.name, limit.allowed_values.list.type) for limit in kernel.constraint]
        narrow = {name for name, kinds in limits if kinds} - {name for name, kinds in limits if FLOAT64 in kinds}
        never[kernel.op] = never[kernel.op] & narrow if kernel.op in never else narrow
        single.setdefault(kernel.op, set()).update(name for name, kinds in limits if FLOAT32 in kinds)
    return {operation: frozenset(narrow & single[operation]) for operation, narrow in never.items()}


@cache
def known_kernels() -> dict[str, frozenset[str]]:
    """What ``without_double`` gives for all that is registered now: before the fork, once for all runs."""
    return without_double(kernels.get_all_registered_kernels().kernel)


@cache
def single_only(operation: str) -> frozenset[str]:
    """The attributes of an operation that may be float32, and that no definition or kernel on a CPU lets be float64."""
    found = op_def_registry.get(operation)
    types = {attr.name: attr.allowed_values.list.type for attr in found.attr if attr.type == "type"}
    never = {name for name, allowed in types.items() if FLOAT32 in allowed and FLOAT64 not in allowed}
    if (here := known_kernels().get(operation)) is None:  # it may be of a library that the loop has loaded
        here = without_double(kernels.get_registered_kernels_for_op(operation).kernel).get(operation, frozenset())
    return frozenset(never | (here & types.keys()))


@cache
def takes_single(operation: str) -> bool:
    """Whether some input of an operation can be nothing but float32."""
    return any(fixed in SINGLE or attr in single_only(operation) for _, fixed, attr in inputs_of(operation))


def held(handle: Any) -> Any:
    """The dtype of the variable behind a resource handle, if it is known."""
    shapes = getattr(getattr(handle, "_handle_data", None), "shape_and_type", None)
    return tf.as_dtype(shapes[0].dtype) if shapes and shapes[0].dtype else None


def many(value: Any) -> list[Any]:
    """An input of an operation as the list of its tensors; numbers from Python are one input, nested or not."""
    tensors = isinstance(value, list | tuple) and any(kind_of(part) is not None for part in value)
    return list(value) if tensors else [value]


def real(value: Any) -> bool:
    """Whether these are numbers from Python that TensorFlow would take for floats."""
    known = isinstance(value, float | list | tuple | np.ndarray | np.generic)
    return (
        known
        and all(isinstance(leaf, float | int | np.generic) for leaf in leaves([value]))
        and (np.asarray(value).dtype.kind == "f")
    )


def same(made: list[Any], was: list[Any]) -> bool:
    """Whether nothing was exchanged."""
    return all(a is b for a, b in zip(made, was, strict=True))


def rejoined(value: Any, taken: list[Any]) -> Any:
    """An input of an operation from its tensors, the very same one if nothing was exchanged."""
    parts = many(value)
    if same(taken, parts):
        return value
    return taken[0] if parts[0] is value else taken


def patches(floats: Floats) -> list[Patch]:
    """What to put where in TensorFlow so that operations keep float64."""
    plain_run, plain_add = pywrap_tfe.TFE_Py_FastPathExecute, op_def_library._apply_op_helper
    plain_matching, plain_execute = execute.args_to_matching_eager, execute.execute
    known_kernels()

    def fitted(operation: str, values: list[Any]) -> list[Any]:
        """The inputs of an operation with float32 and float64 brought together."""
        inputs = inputs_of(operation)[: len(values)]
        kinds = [{kind_of(part) for part in many(value)} for value in values]
        made = []
        for (_, fixed, attr), value in zip(inputs, values, strict=False):
            group = {
                kind
                for (_, _, other), some in zip(inputs, kinds, strict=False)
                for kind in some
                if attr and other == attr
            }
            holder = held(values[0]) if inputs[0][1] == RESOURCE and attr else None
            if fixed in SINGLE or attr in single_only(operation) or holder in WIDER:
                taken = [single(operation, part, fixed) for part in many(value)]
            elif group & set(NARROWER) or holder in NARROWER:
                taken = [floats.up(part) if kind_of(part) in WIDER else part for part in many(value)]
            else:
                taken = many(value)
            made.append(rejoined(value, taken))
        return made + values[len(inputs) :]

    def single(operation: str, part: Any, fixed: int) -> Any:
        """A tensor, or a number from Python, for an input that takes float32 whatever else there is."""
        if kind_of(part) in NARROWER:
            return floats.down(part, f"{operation} takes no other")
        if kind_of(part) is None and (fixed in SINGLE or real(part)):
            with floats.as_it_is():
                return floats.convert(part, tf.as_dtype(fixed or FLOAT32))
        return part

    def entered(args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Inputs of an operation whose first comes from Python, if no tensor beside it gives it a dtype."""
        if any(kind_of(part) in WIDER or kind_of(part) in NARROWER for part in args[1:]):
            return args
        wide = floats.meant(args[0], None)
        return args if wide is None else (floats.convert(args[0], wide), *args[1:])

    def bits(value: Any, target: Any) -> Any:
        """What a bitcast takes: one that was written for the four bytes of a float32 gets them."""
        if kind_of(value) == tf.float64 and tf.as_dtype(target).size == tf.float32.size:
            return floats.down(value, "its bits are taken")
        return value

    def mended(context: Any, operation: str, name: Any, args: tuple[Any, ...]) -> Any:
        """What a failed operation gives with inputs that fit, or in float32 if only that works; if neither, this function."""
        some = len(inputs_of(operation))
        inputs, attrs = list(args[:some]), args[some:]
        fit = fitted(operation, inputs)
        if not same(fit, inputs):
            with suppress(core._NotOkStatusException):
                return plain_run(context, operation, name, *fit, *attrs)
        narrow = []
        for value in inputs:
            taken = [single(operation, part, 0) for part in many(value)]
            narrow.append(rejoined(value, taken))
        if not same(narrow, inputs):
            with suppress(core._NotOkStatusException):
                return plain_run(context, operation, name, *narrow, *attrs)
        return mended

    def run(context: Any, operation: str, name: Any, *args: Any) -> Any:
        """Every operation in eager mode."""
        if floats.off:
            return plain_run(context, operation, name, *args)
        if operation == "Bitcast":
            args = (bits(args[0], dict(zip(args[1::2], args[2::2], strict=False))["type"]), *args[1:])
        elif args and type(args[0]) in (float, list, tuple):
            args = entered(args)
        try:
            made = plain_run(context, operation, name, *args)
        except core._NotOkStatusException as error:
            made = mended(context, operation, name, args) if error.code in CODES else mended
            if made is mended:
                raise
        if type(made) is EAGER:
            return floats.up(made) if made._datatype_enum() in SINGLE else made
        if type(made) is list and operation not in CALLS:
            return [floats.widened(part) for part in made]
        return made

    def matching(inputs: Any, *others: Any, **named: Any) -> Any:
        """Inputs of an eager operation that had to be converted first."""
        if not floats.off and {kind_of(part) for part in inputs} & set(NARROWER):
            inputs = [floats.widened(part) for part in inputs]
        return plain_matching(inputs, *others, **named)

    def converted(op_name: Any, num_outputs: Any, inputs: Any, attrs: Any, ctx: Any, name: Any = None) -> Any:
        """An eager operation whose arguments had to be converted first; calls of functions pass."""
        operation = op_name.decode() if isinstance(op_name, bytes) else op_name
        known = not floats.off and operation not in CALLS and len(inputs_of(operation)) == len(inputs) > 0
        if known and takes_single(operation):
            inputs = fitted(operation, list(inputs))
            kinds = {
                attr: part.dtype.as_datatype_enum
                for (_, _, attr), part in zip(inputs_of(operation), inputs, strict=True)
                if attr
            }
            pairs = zip(attrs[::2], attrs[1::2], strict=True) if attrs else ()
            attrs = tuple(part for key, value in pairs for part in (key, kinds.get(key, value)))
        made = plain_execute(op_name, num_outputs, inputs=inputs, attrs=attrs, ctx=ctx, name=name)
        return [floats.widened(part) for part in made] if known and isinstance(made, list) else made

    def add(operation: str, name: Any = None, **keywords: Any) -> Any:
        """Every operation while a graph is traced; what does not fit there might fail only when the graph runs."""
        if floats.off:
            return plain_add(operation, name, **keywords)
        names = [arg for arg, _, _ in inputs_of(operation) if arg in keywords]
        if operation == "Bitcast":
            keywords["input"] = bits(keywords["input"], keywords["type"])
        elif names:
            keywords.update(zip(names, fitted(operation, [keywords[arg] for arg in names]), strict=True))
        structure, stateful, made, outputs = plain_add(operation, name, **keywords)
        if operation not in CALLS and any(output.dtype in WIDER for output in outputs):
            outputs = [floats.widened(output) for output in outputs]
        return structure, stateful, made, outputs

    return [
        (pywrap_tfe, "TFE_Py_FastPathExecute", run),
        (execute, "args_to_matching_eager", matching),
        (execute, "execute", converted),
        (op_def_library, "_apply_op_helper", add),
    ]
