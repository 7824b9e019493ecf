"""torch, TensorFlow and Keras for tests, loaded when first used: collecting the tests must load none of them."""

from importlib import import_module
from typing import Any


class Lazily:
    """A module that is imported when something in it is first asked for; torch always before TensorFlow."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_") and attribute != "__all__":
            raise AttributeError(attribute)  # pytest asks every name for such while it looks for fixtures
        import_module("torch")  # the other order crashes
        return getattr(import_module(self._name), attribute)


torch, tf, keras = Lazily("torch"), Lazily("tensorflow"), Lazily("keras")
swa_utils, parametrizations = Lazily("torch.optim.swa_utils"), Lazily("torch.nn.utils.parametrizations")
functional, optim, nn = Lazily("torch.nn.functional"), Lazily("torch.optim"), Lazily("torch.nn")
faithful = Lazily("harness.faithful")
