"""A captured TensorFlow training function as a loop of records under torch's names, from the reference's starting point.

The function is run twice: up to its first step, to learn which variables it creates, and which of torch's tensors each one
is; then for good, with every variable given its value as it is created. So models that are built in their first call, and
inside ``fit``, start where they should.
"""

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.contract.captured import counts
from harness.contract.port import Port
from harness.contract.recipes import Array
from harness.contract.unmapped import HELD, Variables
from harness.errors import UsageError, instead
from harness.running import wire
from harness.running.capture import own_names
from harness.running.capture_tensorflow_cells import Applied
from harness.running.capture_tensorflow_hooks import Pass
from harness.running.capture_tensorflow_port import port_of
from harness.running.capture_tensorflow_records import Records
from harness.running.capture_tensorflow_values import value_of
from harness.running.draws import now
from harness.running.legacy_keras import NAME as LEGACY


class CaptureTensorFlow:
    """See Capturing. ``train`` calls ``function`` with its arguments; ``begin`` sets precision and seed anew.

    weights: what the model starts from, by torch's names; while a map is sought, some of it, by the variables' own names.
    port: gives the Port, from variables of the function by the names of its parameters.
    """

    def __init__(
        self,
        train: Callable[[], Any],
        weights: Mapping[str, Any],
        *,
        function: Callable[..., Any],
        port: Callable[..., Any] | None,
        begin: Callable[[], None],
    ) -> None:
        self.train, self.weights, self.function, self.port_given = train, weights, function, port
        self.begin = begin
        self.names: Mapping[str, Any] = {}
        self.lacks: dict[str, str] = {}
        self.port: Port | None = None
        self.records: Records | None = None
        self.now: Pass | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        if self.now is None:
            values = self.rehearsed() if self.weights else {}
            self.port = None
            HELD.variables = Variables()  # those of the rehearsal are gone
            self.now = Pass(self.train, self.told, values)
            if (draws := now("tensorflow")) is not None:
                draws.traced = self.now.traced
        return next(self.now)

    def close(self) -> None:
        """See Capturing."""
        if self.now is not None:
            self.now.close()

    # The starting point

    def rehearsed(self) -> dict[int, Array]:
        """What each variable must start from, by the order in which they are created: known before the first step."""
        kept = random.getstate(), np.random.get_state()  # what the loop may use
        found: dict[int, Array] = {}

        wrong: list[UsageError] = []

        def before() -> None:
            try:
                found.update(self.values(first))
            except UsageError as error:
                wrong.append(error)  # raised in a trace it would become TensorFlow's
            first.driven.pause(None)

        first = Pass(self.train, lambda _: None, first=before)
        with unheard():
            try:
                next(first, None)
            finally:
                first.close()
        if wrong:
            raise wrong[0]
        keras.utils.clear_session()
        if LEGACY in sys.modules:
            sys.modules[LEGACY].backend.clear_session()
        self.begin()
        if (draws := now("tensorflow")) is not None:
            draws.anew()
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        return found

    def values(self, at: Pass) -> dict[int, Array]:
        """What each variable must start from; of those that were there before, now."""
        port = self.ported(at)
        stands = [Stand(variable) for variable in port.variables]
        named = port.named(stands)
        for name, view in named.items():
            if name not in self.weights:
                if HELD.blind or counts(name):
                    continue
                raise UsageError(f"Port: {instead(name, self.weights, 'weight')}")
            array = np.asarray(self.weights[name])
            try:
                view.assign(array)
            except (ValueError, TypeError, RuntimeError) as error:
                raise UsageError(f"Port: {name} of shape {array.shape} does not load: {error}") from error
        missing = [name for name in self.weights if name not in named]
        if HELD.rows:  # what was not found is told with the map, and in the verdict
            dict(self.weights)
        elif missing:
            raise UsageError(f"the Port has no row for {', '.join(missing)}, which the reference trains or keeps")
        order = {id(variable): number for number, variable in enumerate(at.created)}
        values = {}
        for stand, variable in zip(stands, port.variables, strict=True):
            own = value_of(variable)
            if not stand.given:
                continue
            if id(own) in order:
                values[order[id(own)]] = stand.array
            else:  # made when its module was imported
                with tf.init_scope():
                    own.assign(stand.array)
        return values

    def ported(self, at: Pass) -> Port:
        """The Port, made of the live variables."""
        if self.port is None:
            self.port = port_of(at, self.port_given, self.function)
        return self.port

    # A step

    def told(self, applied: Applied) -> None:
        """Give way with the record of a step."""
        assert self.now is not None
        if self.records is None:
            port = self.ported(self.now) if self.weights or HELD.blind else Port()
            self.records = Records(port, self.now, self.lacks)
            self.names = own_names(self.function) if HELD.blind else {}
        record = self.records.record(applied)
        try:
            self.now.driven.pause(record)
        finally:
            record.clear()


class Stand:
    """Stands in for a variable that does not exist yet, and takes its value."""

    def __init__(self, variable: Any) -> None:
        self.shape = tuple(variable.shape)
        self.array = np.zeros(self.shape)
        self.given = False

    def numpy(self) -> Array:
        """What it was given."""
        return self.array

    def assign(self, array: Array) -> None:
        """Take a value."""
        self.array, self.given = np.array(array), True


@contextmanager
def unheard() -> Iterator[None]:
    """Keep back what is printed, unless an error is raised: it will be printed again."""
    sys.stdout.flush()
    sys.stderr.flush()
    log, outputs = wire.in_memory("rehearsal"), [os.dup(1), os.dup(2)]
    for number in (1, 2):
        os.dup2(log, number)
    try:
        yield
    except BaseException:
        os.write(outputs[0], os.pread(log, os.fstat(log).st_size, 0))
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, output in zip((1, 2), outputs, strict=True):
            os.dup2(output, number)
            os.close(output)
        os.close(log)
