"""Mistakes in what the port is given: weights put into another layout, biases not loaded, hyperparameters not used.

They are made in the problem that the reference is run on, so that everything recorded of it is in the port's layout.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from math import isclose

import numpy as np

from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.running.start import Mutant, Setting

OF_CELLS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""How torch's recurrent layers call their tensors."""

USUAL: tuple[float, ...] = (0.0, 1e-3, 1e-2, 0.1, 0.9, 0.99, 0.999, 1e-7, 1e-4, 4e-3, 0.5, 1.0)
"""Numbers that stand in Keras where nothing was said."""


NOT_BACK = ("zeros",)
"""Changes of a tensor from which it cannot be had back."""


def offers(problem: Problem) -> Iterator[Mutant]:
    """What could have been made of the weights and the hyperparameters."""
    for name, array in problem.weights.items():
        for change, cause in layouts(array):
            yield Mutant(change, cause, "outputs", f"weights/{name}", name)
    cells = sorted({name.rpartition(".")[0] for name in problem.weights if any(part in name for part in OF_CELLS)})
    for cell in cells:
        rows = next(array.shape[0] for name, array in problem.weights.items() if name.startswith(f"{cell}.weight_hh"))
        width = next(array.shape[1] for name, array in problem.weights.items() if name.startswith(f"{cell}.weight_hh"))
        own = {4: "ifgo", 3: "rzn"}.get(rows // width)
        for order in permutations(own or ""):
            if (said := "".join(order)) != own:
                cause = "lstm-gate-order" if own == "ifgo" else "gru-gate-order"
                settings: tuple[tuple[str, Setting], ...] = (("gates", said),)
                yield Mutant("gates", cause, "outputs", f"weights/{cell}", cell, settings, (("gates", own),))
    for name, value in problem.hyper.items():
        if isinstance(value, float):
            for other in (*USUAL, 1 - value, 2 * value):
                if not isclose(other, value, rel_tol=1e-9):
                    yield hyperparameter(name, value, other)


def scaled(problem: Problem, factor: float) -> list[Mutant]:
    """Each hyperparameter times a factor, by which a rate of the port's was seen to be another."""
    return [
        hyperparameter(name, value, value * factor) for name, value in problem.hyper.items() if isinstance(value, float)
    ]


def hyperparameter(name: str, value: float, other: float) -> Mutant:
    """Another value for a hyperparameter."""
    site, was, settings = f"hyper/{name}", ((name, value),), ((name, other),)
    return Mutant("hyperparameter", "hyperparameter-not-used", "outputs", site, name, settings, was)


def layouts(array: Array) -> Iterator[tuple[str, str]]:
    """Other layouts that a tensor of this shape could be loaded in, by name and cause."""
    shape = array.shape
    if array.dtype.kind != "f":
        return
    if len(shape) == 2 and shape[0] == shape[1]:
        yield "transposed", "dense-square-kernel-not-transposed"
    if len(shape) == 2 and shape[0] == 3 * shape[1]:
        for order in permutations("qkv"):
            if (said := "".join(order)) != "qkv":
                yield f"blocks {said}", "mha-packed-qkv-split"
    if len(shape) == 2 and shape[0] != shape[1]:
        yield "reshaped", "conv-weight-reshape-instead-of-transpose"
    if len(shape) >= 3:
        if any(size > 1 for size in shape[2:]):
            yield "mirrored", "conv-kernel-mirrored"
        if len(shape) == 4 and shape[2] == shape[3] > 1:
            yield "height and width exchanged", "conv-kernel-hw-swapped"
        yield "reshaped", "conv-weight-reshape-instead-of-transpose"
        if shape[0] == shape[1]:
            yield "input and output exchanged", "convtranspose-weight-layout"
    if len(shape) == 1 and array.any():
        yield "zeros", "bias-not-loaded"


def changed(problem: Problem, mutants: Sequence[Mutant]) -> Problem:
    """The problem as it is with these of them."""
    weights, hyper = dict(problem.weights), dict(problem.hyper)
    for mutant in mutants:
        kind, _, name = mutant.site.partition("/")
        if kind == "hyper":
            hyper |= {key: value for key, value in mutant.settings if isinstance(value, float)}
        elif mutant.change == "gates":
            order, own = dict(mutant.settings)["gates"], dict(mutant.was)["gates"]
            for part in weights:
                if part.startswith(f"{name}.") and any(word in part for word in OF_CELLS):
                    weights[part] = gated(weights[part], str(own), str(order))
        else:
            weights[name] = laid(weights[name], mutant.change)
    return replace(problem, weights=weights, hyper=hyper)


def restored(record: Record, mutants: Sequence[Mutant]) -> Record | None:
    """A record of the reference with what belongs to these tensors put back into its own layout; None if that is no other.

    A port that uses its weights in another layout than it is given them in records them as the reference does.
    """
    found: Record = {}
    for name, array in record.items():
        target = target_of(name)
        for mutant in mutants:
            kind, _, of = mutant.site.partition("/")
            if array is None or not array.ndim or kind != "weights" or mutant.change in NOT_BACK:
                continue
            if mutant.change == "gates" and target.startswith(f"{of}.") and any(word in target for word in OF_CELLS):
                found[name] = gated(array, str(dict(mutant.settings)["gates"]), str(dict(mutant.was)["gates"]))
            elif mutant.change != "gates" and target == of:
                found[name] = inverse(array, mutant.change)
    return {**record, **found} if found else None


def target_of(name: str) -> str:
    """The tensor that a field of a record belongs to."""
    stage, _, rest = name.partition("/")
    return rest.partition("/")[2] if stage == "slots" else rest


def inverse(array: Array, change: str) -> Array:
    """A tensor that was ``laid`` as it was before: where each number went is told by laying their places."""
    places = laid(np.arange(array.size).reshape(array.shape), change)
    made = np.empty(array.shape, array.dtype)
    made.reshape(-1)[places.reshape(-1)] = array.reshape(-1)
    return made


def gated(array: Array, own: str, order: str) -> Array:
    """Rows of gates in another order."""
    parts = dict(zip(own, np.split(array, len(own)), strict=True))
    return np.concatenate([parts[gate] for gate in order])


def laid(array: Array, change: str) -> Array:
    """A tensor in another layout of the same shape."""
    shape = array.shape
    if change == "transposed":
        return np.ascontiguousarray(array.T)
    if change == "input and output exchanged":
        return np.ascontiguousarray(array.swapaxes(0, 1))
    if change == "mirrored":
        return np.ascontiguousarray(np.flip(array, tuple(range(2, len(shape)))))
    if change == "height and width exchanged":
        return np.ascontiguousarray(array.swapaxes(2, 3))
    if change == "zeros":
        return np.zeros_like(array)
    if change == "reshaped":  # what code that expects axes in TensorFlow's order reads out of the same numbers
        axes = (*range(2, len(shape)), 1, 0)
        back = np.argsort(axes)
        return np.ascontiguousarray(array.reshape([shape[axis] for axis in axes]).transpose(back))
    parts = dict(zip("qkv", np.split(array, 3), strict=True))
    return np.concatenate([parts[block] for block in change.removeprefix("blocks ")])
