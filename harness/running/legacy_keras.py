"""Legacy Keras (``tf_keras``), which keeps a float type of its own: set where a loop has loaded it, and never loaded by us."""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

NAME = "tf_keras"


class LegacyKeras:
    """The float type and dtype policy that one run has left in legacy Keras, put back whenever that run goes on."""

    def __init__(self, precision: str) -> None:
        self.floatx, self.policy = precision, None
        self.waiting = Waiting(NAME, self._put)

    def enter(self) -> None:
        """Make this run's float type legacy Keras' own, now or as soon as the run loads it."""
        if NAME in sys.modules:
            self._put(sys.modules[NAME])
        else:
            sys.meta_path.insert(0, self.waiting)

    def leave(self) -> None:
        """Remember what the run has made of it, and put back what a process starts with."""
        if self.waiting in sys.meta_path:
            sys.meta_path.remove(self.waiting)
        if NAME in sys.modules:
            keras: Any = sys.modules[NAME]
            self.floatx, self.policy = keras.backend.floatx(), keras.mixed_precision.global_policy()
            keras.backend.set_floatx("float32")
            keras.mixed_precision.set_global_policy(None)

    def _put(self, keras: Any) -> None:
        keras.backend.set_floatx(self.floatx)
        keras.mixed_precision.set_global_policy(self.policy)


class Waiting(MetaPathFinder):
    """Finds a module where it is, and says so once it is loaded."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self.name, self.then = name, then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See MetaPathFinder."""
        del path, target
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        found = find_spec(fullname)
        if found is not None and found.loader is not None:
            load = found.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                self.then(module)

            found.loader.exec_module = exec_module  # type: ignore[method-assign]
        return found
