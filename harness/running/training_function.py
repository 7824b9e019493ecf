"""Which function a pair captures, and its arguments: from ``captured(...)``, and by name from the scenario."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from types import FunctionType
from typing import Any

from harness.contract.captured import Captured
from harness.errors import UsageError, instead

Offered = Mapping[str, Callable[[], Any]]
"""What the scenario has for a training function: by name, and made when it is asked for."""


class Batches:
    """The problem's batches for loops over epochs: each pass over this object is the next epoch, and it has a length."""

    def __init__(self, batches: Iterator[Any], length: int) -> None:
        self.batches, self.length = batches, length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        for _, batch in zip(range(self.length), self.batches, strict=False):
            yield batch


def found(captured: Captured, folder: Path) -> Callable[..., Any]:
    """The function that is meant; a module is looked for where Python does, and then beside and above the pair's folder.

    Raises UsageError if there is none.
    """
    if not isinstance(captured.function, str):
        return captured.function
    place, _, name = captured.function.rpartition(":")
    module = importlib.import_module(importable(place, folder))
    function = reduce(lambda owner, part: getattr(owner, part, None), name.split("."), module)
    if not callable(function):
        known = [key for key, value in vars(module).items() if isinstance(value, FunctionType)]
        raise UsageError(f"captured({captured.function!r}): {instead(name, known, 'function')}")
    return function


def importable(place: str, folder: Path) -> str:
    """The name by which a module is imported; its root is put on ``sys.path`` if it is not on it."""
    above = [folder.resolve(), *folder.resolve().parents]
    roots = [root for parent in above for root in (parent, parent / "src")]
    if place.endswith(".py"):
        file = next((path for root in above if (path := root / place).is_file()), None)
        if file is None:
            raise UsageError(f"captured: there is no file {place} in {folder}, or in a folder above it")
        root = file.parent
        while (root / "__init__.py").is_file():
            root = root.parent
        return on_path(root, ".".join(file.relative_to(root).with_suffix("").parts))
    first = place.split(".")[0]
    if first in sys.modules or importlib.util.find_spec(first) is not None:
        return place
    for root in roots:
        if (root / first).is_dir() or (root / f"{first}.py").is_file():
            return on_path(root, place)
    raise UsageError(
        f"captured: no module {first} on Python's path, nor in {folder}, a folder above it, or src/ in one of these"
    )


def on_path(root: Path, module: str) -> str:
    """The module's name, after its root was made one of the folders to import from."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    return module


def parameters_of(captured: Captured, function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The function's parameters. Raises UsageError for an argument that it does not take."""
    parameters = list(inspect.signature(function).parameters.values())
    names = [parameter.name for parameter in parameters]
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        for name in captured.given:
            if name not in names:
                raise UsageError(f"captured: {called(function)} takes no {name}; {instead(name, names, 'argument')}")
    return parameters


def arguments(captured: Captured, function: Callable[..., Any], offered: Offered) -> tuple[list[Any], dict[str, Any]]:
    """What the function is called with. Raises UsageError for an argument that nothing here gives."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters_of(captured, function):
        name = parameter.name
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in captured.given:
            value = made(name, captured.given[name], offered)
        elif name in offered:
            value = offered[name]()
        elif parameter.default is not parameter.empty:
            continue
        else:
            raise UsageError(
                f"captured: {called(function)} asks for {name}: {instead(name, offered, 'part of the scenario')}; give it "
                f"in captured(..., {name}=...)"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[name] = value
    taken = {parameter.name for parameter in parameters_of(captured, function)}
    for name, given in captured.given.items():
        if name not in taken:  # for **kwargs
            named[name] = made(name, given, offered)
    return positional, named


def made(name: str, given: Any, offered: Offered) -> Any:
    """An argument that ``captured`` was given: what a function among them gives, and anything else as it is."""
    if not isinstance(given, FunctionType):
        return given
    wanted = {}
    for parameter in inspect.signature(given).parameters.values():
        if parameter.name in offered:
            wanted[parameter.name] = offered[parameter.name]()
        elif parameter.default is parameter.empty:
            raise UsageError(
                f"captured(..., {name}=...) is called to give {name}, and asks for {parameter.name}: "
                f"{instead(parameter.name, offered, 'part of the scenario')}; to hand a function over as it is, write "
                f"{name}=lambda: the_function"
            )
    return given(**wanted)


def used(captured: Captured, function: Callable[..., Any], offered: Offered) -> set[str]:
    """What of the scenario reaches the function, by name."""
    names = {parameter.name for parameter in parameters_of(captured, function)} - set(captured.given)
    for given in captured.given.values():
        if isinstance(given, FunctionType):
            names |= set(inspect.signature(given).parameters)
    return names & set(offered)


def called(function: Callable[..., Any]) -> str:
    """A function's name, for a sentence."""
    return getattr(function, "__qualname__", type(function).__name__)
