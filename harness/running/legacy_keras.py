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
    """Sees to it that legacy Keras has this process's float type, from when a loop loads it."""

    def __init__(self) -> None:
        self.precision: str = "float32"
        self.waiting = Waiting(NAME, self._put)

    def begin(self, precision: str) -> None:
        """Make a float type legacy Keras' own, now or as soon as it is loaded."""
        self.precision = precision
        if NAME in sys.modules:
            self._put(sys.modules[NAME])
        elif self.waiting not in sys.meta_path:
            sys.meta_path.insert(0, self.waiting)

    def _put(self, keras: Any) -> None:
        keras.backend.set_floatx(self.precision)
        keras.mixed_precision.set_global_policy(None)


def when_loaded(then: Callable[[Any], None]) -> Callable[[], None]:
    """Do something with legacy Keras, now or as soon as it is loaded; gives what calls that off."""
    if NAME in sys.modules:
        then(sys.modules[NAME])
        return lambda: None
    waiting = Waiting(NAME, then)
    sys.meta_path.insert(0, waiting)
    return lambda: sys.meta_path.remove(waiting) if waiting in sys.meta_path else None


def forget() -> None:
    """Let legacy Keras count its layers' names anew, if it is loaded."""
    if NAME in sys.modules:
        sys.modules[NAME].backend.clear_session()


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
