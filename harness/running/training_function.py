"""Which function a pair captures, and its arguments: from ``captured(...)``, and by name from the scenario."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

from harness.contract.captured import Captured
from harness.contract.problem import Problem
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


def found(captured: Captured, folder: Path, *, by: str = "captured") -> Callable[..., Any]:
    """The function that is meant; a module is looked for where Python does, and then beside and above the pair's folder.

    by: who is said to ask for it. Raises UsageError if there is none.
    """
    if not isinstance(captured.function, str):
        return captured.function
    place, _, name = captured.function.rpartition(":")
    path = importable(place, folder, by)
    try:
        module = importlib.import_module(path)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        at = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
        said = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
        raise UsageError(f"{path} does not import: {said} ({Path(at[0] or path).name}:{at[1]})") from error
    function: Any = module
    for part in name.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if isinstance(value, FunctionType | type)]
        raise UsageError(f"{by}({captured.function!r}): {instead(name, known, 'function')}")
    return function


def importable(place: str, folder: Path, by: str = "captured") -> str:
    """The name by which a module is imported; its root is put on ``sys.path`` if it is not on it."""
    above = [folder.resolve(), *folder.resolve().parents]
    roots = [root for parent in above for root in (parent, parent / "src")]
    if place.endswith(".py"):
        file = next((path for root in above if (path := root / place).is_file()), None)
        if file is None:
            raise UsageError(f"{by}: there is no file {place} in {folder}, or in a folder above it")
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
        f"{by}: no module {first} on Python's path, nor in {folder}, a folder above it, or src/ in one of these"
    )


def on_path(root: Path, module: str) -> str:
    """The module's name, after its root was made one of the folders to import from."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    return module


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The function's parameters that have a name, by it."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p for name, p in inspect.signature(function).parameters.items() if p.kind not in several}


def checked(captured: Captured, function: Callable[..., Any], offered: Offered, problem: Problem) -> tuple[str, ...]:
    """What of the scenario reaches the function, by name.

    Raises UsageError for an argument that it does not take, or that nothing gives it, and for a hyperparameter or data that
    do not reach it.
    """
    name, parameters = called(function), parameters_of(function)
    anything = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
    for given in captured.given:
        if given not in parameters and not anything:
            raise UsageError(f"captured: {name} takes no {given}; {instead(given, parameters, 'argument')}")
    taken = {parameter for parameter in parameters if parameter not in captured.given}
    for argument, maker in captured.given.items():
        for asked, parameter in made_of(maker).items():
            if asked not in offered and parameter.default is parameter.empty:
                raise UsageError(
                    f"captured(..., {argument}=...) is called to give {argument}, and asks for {asked}: "
                    f"{instead(asked, offered, 'part of the scenario')}; to hand a function over as it is, write "
                    f"{argument}=lambda: the_function"
                )
        taken |= set(made_of(maker))
    for asked, parameter in parameters.items():
        if asked not in (*captured.given, *offered) and parameter.default is parameter.empty:
            raise UsageError(
                f"captured: {name} asks for {asked}: {instead(asked, offered, 'part of the scenario')}; give it in "
                f"captured(..., {asked}=...)"
            )
    for hyper in problem.hyper:
        if hyper not in taken:
            raise UsageError(f"captured: {name} is not given {hyper}, which the scenario's hyper= has")
    if not taken & {"batches", *problem.data}:
        raise UsageError(
            f"captured: {name} is given none of the scenario's data, {', '.join(problem.data)}; write which argument is made "
            "of them, as in loader=lambda batches: batches"
        )
    return tuple(sorted(taken & set(offered)))


def made_of(given: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a function that gives an argument; none of a value."""
    return parameters_of(given) if isinstance(given, FunctionType) else {}


def arguments(captured: Captured, function: Callable[..., Any], offered: Offered) -> tuple[list[Any], dict[str, Any]]:
    """What the function is called with, after it was ``checked``."""
    named = {name: made(given, offered) for name, given in captured.given.items()}
    positional: list[Any] = []
    for name, parameter in parameters_of(function).items():
        if name not in named and name in offered:
            named[name] = offered[name]()
        if parameter.kind is parameter.POSITIONAL_ONLY and name in named:
            positional.append(named.pop(name))
    return positional, named


def made(given: Any, offered: Offered) -> Any:
    """An argument that ``captured`` was given: what a function among them gives, and anything else as it is."""
    if not isinstance(given, FunctionType):
        return given
    return given(**{name: offered[name]() for name in made_of(given) if name in offered})


def called(function: Callable[..., Any]) -> str:
    """A function's name, for a sentence."""
    return getattr(function, "__qualname__", type(function).__name__)


def offered_by(problem: Problem, tensor: Callable[[Any], Any], batches: Callable[[], Iterator[Any]]) -> Offered:
    """What a problem has for a training function; ``tensor`` makes one of the framework's."""
    offered: dict[str, Callable[[], Any]] = {
        "batches": lambda: Batches(batches(), problem.batches_per_epoch),
        "order": lambda: problem.order,
        "epochs": lambda: problem.passes,
        "batch_size": lambda: problem.batch_size,
    }
    offered |= {name: partial(identity, value) for name, value in problem.hyper.items()}
    return offered | {name: partial(tensor, array) for name, array in problem.data.items()}


def identity(value: Any) -> Any:
    """The value itself."""
    return value
