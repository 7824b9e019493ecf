"""Legacy Keras (``tf_keras``), which keeps a float type of its own: set where a loop has loaded it, and never loaded by us.

Only where ``TF_USE_LEGACY_KERAS`` makes it TensorFlow's own Keras is it loaded before a loop asks for it.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

NAME = "tf_keras"


@dataclass(frozen=True)
class Classes:
    """Where legacy Keras' own calls are seen: its layers, its optimizers of both kinds, and where each of these clips."""

    layer: Any
    optimizers: tuple[Any, ...]
    clips: tuple[tuple[Any, str], ...]


def asked_for() -> bool:
    """Whether ``tf.keras`` is legacy Keras in this process."""
    return os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")


def versions() -> dict[str, str]:
    """The version of legacy Keras, where it is installed."""
    try:
        return {NAME: version(NAME)}
    except PackageNotFoundError:
        return {}


def classes() -> Classes | None:
    """Legacy Keras' classes, if a loop has loaded it, or will by ``tf.keras``."""
    if NAME not in sys.modules and not (asked_for() and versions()):
        return None
    import_module(NAME)
    newer = import_module("tf_keras.src.optimizers.optimizer")
    old = import_module("tf_keras.src.optimizers.legacy.optimizer_v2").OptimizerV2
    return Classes(
        import_module("tf_keras.src.engine.base_layer").Layer,
        (newer.Optimizer, old),
        ((newer._BaseOptimizer, "_clip_gradients"), (old, "_transform_gradients")),
    )


def lacking(error: BaseException) -> str:
    """What to say of an error that legacy Keras has raised, or that comes of what it has not; nothing of any other."""
    keras = sys.modules.get(NAME)
    if keras is None:
        return ""
    inside = any("/tf_keras/" in frame.filename for frame in traceback.extract_tb(error.__traceback__))
    owner = getattr(error, "obj", None)
    named = getattr(owner, "__name__", "") if isinstance(owner, ModuleType) else type(owner).__module__
    if not inside and named.partition(".")[0] != NAME:
        return ""
    return (
        f"; this loop runs on legacy Keras (tf_keras {getattr(keras, '__version__', '')}), which has not all that Keras 3 "
        "has, and takes no layers of Keras 3, nor of harness.faithful"
    )


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

    def forget(self) -> None:
        """Give its layers' names anew from the first on, as Keras 3 does when it is told to."""
        if NAME in sys.modules:
            sys.modules[NAME].backend.clear_session()

    def _put(self, keras: Any) -> None:
        keras.backend.set_floatx(self.precision)
        keras.mixed_precision.set_global_policy(None)


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
