"""TensorFlow and Keras, as a process that runs one of their loops needs them."""

import gc
import os
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.random import seed_generator
from tensorflow.python.framework.ops import EagerTensor
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

from harness.contract.port import View, dense
from harness.contract.probes import HEARD
from harness.contract.recipes import Array
from harness.contract.unmapped import HELD
from harness.errors import UsageError
from harness.running import random_tensorflow  # noqa: F401  # before the fork, once for all runs
from harness.running.frameworks import device, in_precision, tf32
from harness.running.leaks import Watch
from harness.running.legacy_keras import LegacyKeras, classes, versions
from harness.running.start import Precision
from harness.running.warm_tensorflow import warm


class TensorFlow:
    """See Framework. Its first operations take a sixth of a second in every new process."""

    dear = True

    def __init__(self, threads: int) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        # Two, so that a strategy for several devices finds a second one.
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        tf.get_logger().setLevel("ERROR")
        self.versions: dict[str, str] = {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            **versions(),
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        }
        self.precision: Precision = "float32"
        self.seed, self.eager = 0, False
        warm()
        self.legacy = LegacyKeras()
        self.settings: tuple[object, ...] = ()
        self.observed = False

    def begin(self, precision: Precision, seed: int, *, eager: bool = False) -> None:
        """See Framework. Keras' float type and policy both: a policy once made no longer follows the float type."""
        self.precision, self.seed, self.eager = precision, seed, eager
        tf.config.run_functions_eagerly(eager)
        if device():
            settle(device(), tf32=tf32())
        keras.config.set_floatx(precision)
        keras.config.set_dtype_policy(precision)
        self.legacy.begin(precision)
        tf.random.set_seed(seed)
        seed_generator.python_random = random.Random(seed)  # noqa: S311  # the loop's own draws are not moved by layers
        self.settings = settings()

    def tensor(self, array: Array) -> Any:
        """See Framework."""
        return tf.constant(in_precision(array, self.precision))

    def lend(self, value: Any) -> Array:
        """See Framework. An eager tensor lends its memory as a buffer; its own ``numpy()`` copies."""
        if isinstance(value, keras.Variable):
            value = value.value
        if type(value) is ResourceVariable:
            # The operation by itself: a quarter of what ``read_value`` costs.
            value = tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)
        elif isinstance(value, tf.Variable):
            value = value.read_value()
        array = np.asarray(value) if type(value) is EagerTensor or isinstance(value, tf.Tensor) else dense(value)
        return array.astype(np.float32) if array.dtype.kind == "V" else array

    def writable(self, target: Any) -> bool:
        """See Framework."""
        return bool(getattr(target, "writable", hasattr(target, "assign")))

    def address(self, target: Any) -> int:
        """See Framework."""
        del target
        return 0

    def lives(self, target: Any) -> bool:
        """See Framework."""
        return self.writable(target)

    def write(self, target: Any, array: Array) -> None:
        """See Framework."""
        target.assign(in_precision(array, self.precision))

    def watched(self, watch: Watch) -> AbstractContextManager[None]:
        """See Framework."""
        return watch.tensorflow()

    def capture(
        self,
        train: Callable[[], Any],
        weights: Mapping[str, Any],
        *,
        function: Callable[..., Any],
        port: Any,
        initial: bool,
    ) -> Any:
        """See Framework. The reference is asked for what is there initially, so this side never is."""
        from harness.running.capture_tensorflow import CaptureTensorFlow

        del initial
        # Of a traced function no layer shows what it put out, and to trace it takes longer than the few steps of a map.
        eager = HELD.blind or self.eager
        tf.config.run_functions_eagerly(eager)
        begin = partial(self.begin, self.precision, self.seed, eager=eager)
        return CaptureTensorFlow(train, weights, function=function, port=port, begin=begin)

    def observe(self) -> None:
        """See Framework. What a layer puts out while a function is traced is no number, and is left out."""
        if (HELD.blind or HEARD.on) and not self.observed:
            self.observed = True
            self._observed(keras.layers.Layer, "_trainable_variables", "_non_trainable_variables")
            if (legacy := classes()) is not None:
                self._observed(legacy.layer, "_trainable_weights", "_non_trainable_weights")

    def _observed(self, kind: Any, *held: str) -> None:
        plain = kind.__call__

        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            output = plain(layer, *args, **kwargs)
            if (HELD.blind or HEARD.on) and tf.executing_eagerly():
                own = [variable for name in held for variable in getattr(layer, name)]
                if HELD.blind:
                    HELD.variables.put_out(own, output)
                HEARD.hear(layer, own, (args, kwargs), output, self.lend)
            return output

        kind.__call__ = called

    def identity(self, value: Any) -> tuple[Any, ...]:
        """See Framework."""
        return tuple(value.leaves) if isinstance(value, View) else (value,)

    def fresh(self) -> bool:
        """See Framework."""
        keras.utils.clear_session()
        self.legacy.forget()
        gc.collect()
        return settings() == self.settings


def settle(device: str, *, tf32: bool) -> None:
    """Have this device alone seen, with products of float32 as asked for; raises UsageError if it is not there.

    TensorFlow puts on a GPU that it sees whatever has a kernel there.
    """
    kind, _, number = device.rpartition(":") if ":" in device else (device, "", "0")
    there = tf.config.list_physical_devices(kind)
    if not number.isdigit() or int(number) >= len(there):
        known = ", ".join(item.name.removeprefix("/physical_device:") for item in tf.config.list_physical_devices())
        raise UsageError(f"TensorFlow sees no {device} here, but {known}; leave --tensorflow-device out, or mend it")
    if kind != "CPU":
        tf.config.set_visible_devices(there[int(number)], kind)
        tf.config.experimental.set_memory_growth(there[int(number)], True)
    tf.config.experimental.enable_tensor_float_32_execution(tf32)


def settings() -> tuple[object, ...]:
    """What holds for all that comes after, of what can be asked at no cost; the rest is read in a loop's file."""
    return (
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
        tf.config.functions_run_eagerly(),
        tf.executing_eagerly(),
        tf.distribute.has_strategy(),
        str(np.geterr()),
    )
