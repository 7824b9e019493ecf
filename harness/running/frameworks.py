"""The only importer of torch and TensorFlow: import order, threads, determinism, precision and seeds, in one place."""

import gc
import os
import random
import sys
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from harness.contract.recipes import Array
from harness.running.start import Precision, Side

SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONHASHSEED": "0",
}
"""Environment that must be set before either framework is loaded."""


HEADER: dict[str, str] = {}
"""What a verdict's header prints, once the frameworks are loaded."""


def start(threads: int = 1) -> dict[str, str]:
    """Load both frameworks, torch first, and settle everything that could change a number.

    Returns what a verdict's header prints. Threads are set by the first call of a process; the count changes how sums
    are split, so it is part of the header.
    """
    if not HEADER:
        HEADER.update(load(threads))
    return HEADER


def load(threads: int) -> dict[str, str]:
    """See ``start``."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the frameworks say while they are loaded is not the user's doing
        import torch

        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        tf.random.set_seed(0)
        tf.get_logger().setLevel("ERROR")
    # What the frameworks have allocated by now stays; looking through it again costs a fifth of every eager step.
    gc.collect()
    gc.freeze()
    return {
        "python": sys.version.split()[0],
        "torch": str(torch.__version__),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "threads": str(threads),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }


class Session(Protocol):
    """The global state of a framework as one run left it, put back whenever that run goes on."""

    def enter(self) -> None:
        """Make this run's precision and random state the framework's."""

    def leave(self) -> None:
        """Remember what the run has made of them."""

    def tensor(self, array: Array) -> Any:
        """A tensor of this run's precision that shares no memory with the array."""


def in_precision(array: Array, precision: str) -> Array:
    """A floating-point array in this precision, a complex one of two such numbers; any other as it is."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128 if precision == "float64" else np.complex64)
    return array.astype(precision) if array.dtype.kind == "f" else array


class TorchSession:
    """torch's default dtype and random state."""

    def __init__(self, precision: Precision, seed: int) -> None:
        import torch

        self.torch, self.dtype = torch, getattr(torch, precision)
        self.random = torch.Generator().manual_seed(seed).get_state()

    def enter(self) -> None:
        """See Session."""
        self.torch.set_default_dtype(self.dtype)
        self.torch.set_rng_state(self.random)

    def leave(self) -> None:
        """See Session."""
        self.dtype = self.torch.get_default_dtype()
        self.random = self.torch.get_rng_state()
        self.torch.set_default_dtype(self.torch.float32)

    def tensor(self, array: Array) -> Any:
        """See Session."""
        made = self.torch.from_numpy(array.copy())
        if made.is_complex():
            return made.to(self.dtype.to_complex())
        return made.to(self.dtype) if made.is_floating_point() else made


class TensorFlowSession:
    """Keras' float type and dtype policy; both, because a policy once made no longer follows the float type."""

    def __init__(self, precision: Precision, seed: int) -> None:
        import keras
        import tensorflow as tf

        self.keras, self.tf, self.floatx = keras, tf, precision
        self.policy = keras.DTypePolicy(precision)
        self.plain = keras.DTypePolicy("float32")
        tf.random.set_seed(seed)

    def enter(self) -> None:
        """See Session."""
        self.keras.config.set_floatx(self.floatx)
        self.keras.config.set_dtype_policy(self.policy)

    def leave(self) -> None:
        """See Session."""
        self.floatx = self.keras.config.floatx()
        self.policy = self.keras.config.dtype_policy()
        self.keras.config.set_floatx("float32")
        self.keras.config.set_dtype_policy(self.plain)

    def tensor(self, array: Array) -> Any:
        """See Session."""
        return self.tf.constant(in_precision(array, self.floatx))


class Isolated:
    """A session together with Python's and NumPy's random states: what one run does, no other run can feel."""

    def __init__(self, side: Side, precision: Precision, seed: int) -> None:
        self.session: Session = TorchSession(precision, seed) if side == "torch" else TensorFlowSession(precision, seed)
        self.python = random.Random(seed).getstate()  # noqa: S311  # reproducible, not secret
        self.numpy = np.random.RandomState(seed).get_state()  # the global state is what loops may use

    @contextmanager
    def active(self) -> Any:
        """Inside, the process is as this run left it."""
        outer = random.getstate(), np.random.get_state()
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        self.session.enter()
        try:
            yield
        finally:
            self.session.leave()
            self.python, self.numpy = random.getstate(), np.random.get_state()
            random.setstate(outer[0])
            np.random.set_state(outer[1])

    def tensors(self, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """Each array as a tensor of the run's precision."""
        return {name: self.session.tensor(array) for name, array in arrays.items()}


def forget() -> None:
    """Drop what the frameworks keep of models that are gone, between two pairs."""
    import keras

    keras.utils.clear_session()
    gc.collect()
