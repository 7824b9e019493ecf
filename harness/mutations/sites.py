"""Where a torch function is called: the user's own line, and the module that is being called, by its path."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.nn.modules import module as modules

from harness.running.wide import whose

HIDDEN = ("/torch/optim/", "/torch/nn/utils/", "/torch/autograd/", "/torch/utils/data/")
"""Parts of torch whose own calls are no sites: mistakes in them are changes of their own."""

EVERYWHERE = "*"
"""In the site of a mistake that is made in all calls of a function at once, wherever one line of code is run, or one module."""


@dataclass(frozen=True)
class Site:
    """A call of a function in the code of the reference: the line, the place in it, the module that is being called.

    caller: the line that called the model. numbers: those among the variables of the code that makes the call.
    """

    file: str
    line: int
    place: int
    function: str
    path: str
    caller: str = field(default="", compare=False)
    numbers: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """Names the call in every run of the same code."""
        return f"{self.file}:{self.line}:{self.place}:{self.function}:{self.path}"

    @property
    def groups(self) -> dict[str, str]:
        """The call, and those that a mistake may be made in together with it, by key, with what they are called.

        The same line in whichever module of a class runs it; the same module wherever it is called; what one line of the loop
        leads to; every call.
        """
        line = f"{self.file}:{self.line}"
        own, first = (f", {self.path}", f", {self.path} first") if self.path else ("", "")
        every = {
            self.key: f"{line}{own}, {self.function}",
            f"{line}:{self.place}{EVERYWHERE}:{self.function}:": f"{line}{first}, {self.function}",
            f"{EVERYWHERE}:::{self.function}:{self.path}": f"{self.path}, {self.function}",
            f"{EVERYWHERE}:{self.function}": f"every {self.function}{first}",
            f"{EVERYWHERE}{self.caller}:{EVERYWHERE}:{self.function}:": f"{self.caller}, every {self.function}{first}",
        }
        return every if self.path else {key: label for key, label in every.items() if ":::" not in key}


class Modules:
    """Paths of the modules that are being called, the innermost last, and which with tensors of their own have been."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.named: dict[int, str] = {}
        self.done: dict[int, torch.nn.Module] = {}
        self.roots: dict[int, torch.nn.Module] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Know of every call of a module."""
        before = modules.register_module_forward_pre_hook(self._enter)
        after = modules.register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _enter(self, module: torch.nn.Module, _given: Any) -> None:
        if not self.paths and id(module) not in self.roots:
            self.roots[id(module)] = module
            own = name_of(module)
            self.named |= {
                id(part): ".".join(filter(None, (own, path))) for path, part in module.named_modules() if own or path
            }
        self.paths.append(self.named.get(id(module), ""))

    def _leave(self, module: torch.nn.Module, _given: Any, _made: Any) -> None:
        if any(tensor is not None for tensor in (*module._parameters.values(), *module._buffers.values())):
            self.done[id(module)] = module
        if self.paths:
            self.paths.pop()

    @property
    def path(self) -> str:
        """The innermost module with a path; "" outside of all."""
        return next((path for path in reversed(self.paths) if path), "")


def name_of(module: torch.nn.Module) -> str:
    """What the loop that calls a module calls it: its path in a larger one, or the name of its variable if there are others.

    Empty for the only model of a loop, and outside of the user's own code.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and whose(frame.f_code.co_filename) != "own":
        frame = frame.f_back
    if frame is None:
        return ""
    held = {
        name: value
        for name, value in frame.f_locals.items()
        if isinstance(value, torch.nn.Module) and next(value.parameters(), None) is not None
    }
    paths = [path for value in held.values() for path, part in value.named_modules() if part is module]
    if path := next(filter(None, paths), ""):
        return path
    return next((name for name, value in held.items() if value is module), "") if len(held) > 1 else ""


def site(function: str, path: str, *, numbers: bool = False) -> Site | None:
    """The site of the call that is being made; None if no line of the user's own leads to it.

    numbers: with those among its variables.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if any(part in file for part in HIDDEN):
            return None
        if whose(file) == "own":
            own = frame.f_locals.items() if numbers else ()
            found = {name: float(value) for name, value in own if type(value) in (int, float)}
            return Site(Path(file).name, frame.f_lineno, frame.f_lasti, function, path, caller(frame), found)
        frame = frame.f_back
    return None


def caller(frame: FrameType) -> str:
    """The user's own line that calls the model, or this line itself where no module is being called."""
    outer: FrameType | None = frame
    start: FrameType | None = frame
    while outer is not None:
        if outer.f_code is torch.nn.Module._call_impl.__code__:
            start = outer
        outer = outer.f_back
    while start is not None and whose(start.f_code.co_filename) != "own":
        start = start.f_back
    return f"{Path(start.f_code.co_filename).name}:{start.f_lineno}" if start is not None else ""
