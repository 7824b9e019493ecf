"""Where a torch function is called: the user's own line, and the module that is being called, by its path."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.nn.modules import module as modules

from harness.running.wide import whose

HIDDEN = ("/torch/optim/", "/torch/nn/utils/", "/torch/autograd/", "/torch/utils/data/")
"""Parts of torch whose own calls are no sites: mistakes in them are changes of their own."""

EVERYWHERE = "*"
"""The site of a mistake that is made in all calls of a function at once."""


@dataclass(frozen=True)
class Site:
    """A call in the code of the reference. key: names it in every run of the same code. label: names it for people."""

    key: str
    label: str


class Modules:
    """Paths of the modules that are being called, the innermost last."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.named: dict[int, str] = {}

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
        if not self.paths:
            self.named |= {id(part): path for path, part in module.named_modules() if path}
        self.paths.append(self.named.get(id(module), ""))

    def _leave(self, _module: torch.nn.Module, _given: Any, _made: Any) -> None:
        if self.paths:
            self.paths.pop()

    @property
    def path(self) -> str:
        """The innermost module with a path; "" outside of all."""
        return next((path for path in reversed(self.paths) if path), "")


def site(function: str, path: str) -> Site | None:
    """The site of the call that is being made; None if no line of the user's own leads to it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if any(part in file for part in HIDDEN):
            return None
        if whose(file) == "own":
            name = Path(file).name
            label = f"{name}:{frame.f_lineno}" + (f", {path}" if path else "")
            return Site(f"{name}:{frame.f_lineno}:{frame.f_lasti}:{function}:{path}", label)
        frame = frame.f_back
    return None
