"""TensorFlow and Keras parts that do exactly what their PyTorch namesakes do.

A part exists only where Keras' own cannot do it with the right arguments; `harness.faithful.table` lists both kinds.
Names are resolved on first use (PEP 562), so that importing this package loads no framework.
"""

from importlib import import_module
from typing import Any

_MODULES: dict[str, tuple[str, ...]] = {
    "adam": ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SparseAdam"),
    "activation": ("GELU", "LeakyReLU", "PReLU", "Softplus"),
    "attention": ("MultiheadAttention",),
    "dropout": ("Dropout",),
    "normalization": ("BatchNorm",),
    "optimizers": ("ASGD", "SGD", "Adadelta", "Adagrad", "RMSprop", "Rprop"),
    "recurrent": ("GRU", "LSTM", "RNN"),
}

_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605  (computed from the table above, so that no name is written twice)


def __getattr__(name: str) -> Any:
    try:
        module = _HOME[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
