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

from harness.contract.port import Port
from harness.contract.recipes import Array
from harness.errors import UsageError, instead
from harness.running import wire
from harness.running.capture import named_in, variables
from harness.running.capture_tensorflow_cells import Applied
from harness.running.capture_tensorflow_hooks import Pass, value_of
from harness.running.capture_tensorflow_records import Records
from harness.running.draws import now
from harness.running.rows import Live, Rows, unambiguous

COUNTER = "num_batches_tracked"


class CaptureTensorFlow:
    """See Capturing. ``train`` calls ``function`` with its arguments; ``begin`` sets precision and seed anew.

    weights: what the model starts from, by torch's names. port: gives the Port, from variables of the function by the names
    of its parameters. rows: gives the rows where there is none.
    """

    def __init__(
        self,
        train: Callable[[], Any],
        weights: Mapping[str, Any],
        *,
        function: Callable[..., Any],
        port: Callable[..., Any] | None,
        begin: Callable[[], None],
        rows: Rows = unambiguous,
    ) -> None:
        self.train, self.weights, self.function, self.port_of = train, weights, function, port
        self.begin, self.rows = begin, rows
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
            self.now = Pass(self.train, self.told, values)
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
        for name, view in port.named(stands).items():
            if name not in self.weights:
                if name.rsplit(".", 1)[-1] == COUNTER:
                    continue
                raise UsageError(f"Port: {instead(name, self.weights, 'weight')}")
            array = np.asarray(self.weights[name])
            try:
                view.assign(array)
            except (ValueError, TypeError, RuntimeError) as error:
                raise UsageError(f"Port: {name} of shape {array.shape} does not load: {error}") from error
        missing = [name for name in self.weights if name not in port.named(stands)]
        if missing:
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
        if self.port is not None:
            return self.port
        if self.port_of is None:
            tensors = {name: np.asarray(value) for name, value in self.weights.items()}
            self.port = Port(*self.rows(tensors, live(at)))
            return self.port
        known = {**dict(reversed(list(variables()))), **named_in(self.function)}
        wanted = list(self.port_of.__code__.co_varnames[: self.port_of.__code__.co_argcount])
        given = {}
        for name in wanted:
            if name in known:
                given[name] = known[name]
            elif len(wanted) == 1 and len(at.roots) == 1:
                given[name] = at.roots[0]
            else:
                models = [key for key, value in known.items() if isinstance(value, tf.Module | keras.layers.Layer)]
                raise UsageError(f"captured(..., port=...) asks for {name}: {instead(name, models, 'variable')}")
        made = self.port_of(**given)
        if not isinstance(made, Port):
            raise UsageError(f"captured(..., port=...) gives a {type(made).__name__}; let it give a Port(...)")
        self.port = made
        return made

    # A step

    def told(self, applied: Applied) -> None:
        """Give way with the record of a step."""
        assert self.now is not None
        if self.records is None:
            self.records = Records(self.ported(self.now) if self.weights else Port(), self.now, self.lacks)
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


def live(at: Pass) -> list[Live]:
    """The variables of the models that were called, or of all but optimizers where none was."""
    found, seen = [], set[int]()
    for root in at.roots:
        for variable in root.variables:
            if id(variable) not in seen and "seed" not in variable.path:
                seen.add(id(variable))
                found.append(Live(variable.path, tuple(variable.shape), variable))
    return found
