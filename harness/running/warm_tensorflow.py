"""What every run of TensorFlow's would do anew at its beginning, done once, before processes are forked; no operation runs.

A process that was forked copies each page that it writes to, and Python writes to whatever it looks at.
"""

import linecache
import sys
from collections import defaultdict
from collections.abc import Mapping, MappingView, Sequence
from inspect import getfile
from itertools import product, takewhile
from types import FunctionType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.autograph.pyct import inspect_utils
from tensorflow.python.framework import op_def_registry, tensor_util
from tensorflow.python.framework.ops import EagerTensor, SymbolicTensor
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable, ResourceVariable
from tensorflow.python.types import core

from harness import faithful
from harness.contract.port import Port, View
from harness.running.frameworks import load_capture

ABSTRACT = (
    tf.__internal__.CompositeTensor, tf.TypeSpec, tf.Variable, tf.types.experimental.TraceType, BaseResourceVariable,
    core.TensorProtocol, tensor_util.IsTensorLike, Mapping, MappingView, Sequence,
)  # fmt: skip
"""Classes that TensorFlow and Keras ask everything that they are given for."""

USUAL = (
    type(None), bool, int, float, str, bytes, list, tuple, dict, FunctionType, np.ndarray, np.int32, core.Tensor,
    EagerTensor, SymbolicTensor, ResourceVariable, tf.IndexedSlices, keras.Variable, keras.KerasTensor, Port, View,
)  # fmt: skip
"""Classes of what they are given."""


def warm() -> None:
    """Do all of it."""
    load_capture("tensorflow")
    for name in faithful.__all__:
        getattr(faithful, name)
    # TensorFlow copies out all operations at the first name that is none of them, as any function's is: 20 ms a process.
    op_def_registry.get("_an_operation_that_is_not_there")
    # An abstract class asks all of its subclasses, and remembers the answer: 17 ms a process.
    for usual, abstract in product(USUAL, ABSTRACT):
        issubclass(usual, abstract)
    inspect_utils._fix_linecache_record = Sources().refreshed


class Sources:
    """What AutoGraph does before it reads a function's source, to the modules of its file alone.

    Its own function asks every module that was imported for its file, which copies three thousand pages: 20 ms a process.
    """

    def __init__(self) -> None:
        self.modules: defaultdict[str, list[Any]] = defaultdict(list)
        self.last = ""
        self.learn()

    def learn(self) -> None:
        """Find the files of the modules that were imported since the last time."""
        for name in list(takewhile(lambda name: name != self.last, reversed(sys.modules))):
            file = getattr(sys.modules[name], "__dict__", {}).get("__file__")
            if isinstance(file, str):
                self.modules[file].append(sys.modules[name])
        self.last = next(reversed(sys.modules))

    def refreshed(self, function: Any) -> None:
        """Read the file anew that a function is from, if a module was imported from there."""
        if hasattr(function, "__module__"):
            self.learn()
            file = getfile(function)
            for module in self.modules.get(file, ()):
                linecache.updatecache(file, module.__dict__)
