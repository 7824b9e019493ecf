"""A captured TensorFlow training function as a loop of records under torch's names, from the reference's starting point.

The function is run twice: up to its first step, to learn which variables it creates, and which of torch's tensors each one
is; then for good, with every variable given its value as it is created. So models that are built in their first call, and
inside ``fit``, start where they should.
"""

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.contract.port import Port, View
from harness.contract.recipes import Array
from harness.errors import UsageError, instead
from harness.running import wire
from harness.running.capture import named_in, unnamed, variables
from harness.running.capture_tensorflow_cells import Applied, shown
from harness.running.capture_tensorflow_hooks import Pass, value_of
from harness.running.rows import Live, Rows, unambiguous

SLOTS = {
    "_momentums": {"Adam": "exp_avg", "AdamW": "exp_avg", "Nadam": "exp_avg", "Adamax": "exp_avg"},
    "_velocities": {"Adam": "exp_avg_sq", "AdamW": "exp_avg_sq", "Nadam": "exp_avg_sq", "RMSprop": "square_avg"},
    "_velocity_hats": {"Adam": "max_exp_avg_sq", "AdamW": "max_exp_avg_sq"},
    "_average_gradients": {"RMSprop": "grad_avg"},
    "_accumulators": {"Adagrad": "sum"},
    "_accumulated_grads": {"Adadelta": "square_avg"},
    "_accumulated_delta_vars": {"Adadelta": "acc_delta"},
}
"""Where Keras' optimizers keep what torch's keep too, and torch's name for it."""

OTHERWISE = "Keras' {} keeps its momentum times the rate; faithful.{} keeps what torch's does"
IMAGES = {4: "n h w c -> n c h w", 5: "n d h w c -> n c d h w"}
"""Pictures and volumes, by their number of axes, where the channels stand last."""

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
        """Run up to where the first step would change something: what each variable must start from, by the order in which they are created."""
        kept = random.getstate(), np.random.get_state()  # what the loop may use
        found: dict[int, Array] = {}

        def before() -> None:
            found.update(self.values(first))
            first.driven.pause(None)

        first = Pass(self.train, lambda _: None, first=before)
        with unheard():
            try:
                next(first, None)
            finally:
                first.close()
        keras.utils.clear_session()
        self.begin()
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
        record = self.record(self.now, applied)
        try:
            self.now.driven.pause(record)
        finally:
            record.clear()

    def record(self, at: Pass, applied: Applied) -> dict[str, Any]:
        """What this step was, under torch's names."""
        port = self.ported(at) if self.weights else Port()
        own = {id(variable) for variable in applied.variables}
        places = [id(value_of(variable)) for variable in port.variables]
        rows = {name: [id(value_of(leaf)) for leaf in view.leaves] for name, view in port.named(port.variables).items()}
        record: dict[str, Any] = {}
        pictures = any("h w i o" in (view.pattern or "") for view in port.named(port.variables).values())
        if applied.calls:
            record["batch"] = unwrapped([picture(map(shown, inputs), pictures) for inputs, _ in applied.calls])
            record["outputs"] = unwrapped([picture(map(shown, outputs), pictures) for _, outputs in applied.calls])
        else:
            self.lacks["batch"] = self.lacks["outputs"] = "no layer was called under a tape since the step before"
        if not applied.losses:
            raise unnamed("loss", "gradients were applied that no GradientTape was asked for")
        record["loss"] = unwrapped([[shown(loss) for loss in applied.losses]])

        def of(tensors: Mapping[int, Any]) -> dict[str, Any]:
            views = port.named([shown(tensors.get(place)) for place in places])
            return {name: view for name, view in views.items() if set(rows[name]) <= own}

        record["grads"] = of(applied.grads)
        if applied.clipped:
            record["clipped"] = of(applied.clipped)
        record["lr"] = shown(applied.rate)
        record["slots"] = self.slots(applied, port, places, rows, own)
        several = len(at.optimizers) - sum(hasattr(each, "inner_optimizer") for each in at.optimizers) > 1
        held = port.named(port.variables)
        trained = {name for name, leaves in rows.items() if set(leaves) <= at.trainable}
        record["params"] = {
            n: view for n, view in held.items() if n in trained and (not several or set(rows[n]) <= own)
        }
        if applied.alone:
            record["buffers"] = {name: view for name, view in held.items() if name not in trained}
        else:
            self.lacks["buffers"] = "several optimizers make a step in one call of a traced function"
        return {stage: value for stage, value in record.items() if not isinstance(value, dict) or value}

    def slots(
        self, applied: Applied, port: Port, places: Sequence[int], rows: Mapping[str, list[int]], own: set[int]
    ) -> dict[str, Any]:
        """What the optimizer keeps for each parameter, as far as it is what torch's keeps."""
        optimizer = getattr(applied.optimizer, "inner_optimizer", applied.optimizer)
        kind = type(optimizer).__name__
        slots: dict[str, dict[int, Any]] = {}
        if hasattr(optimizer, "state_of"):
            for variable in port.variables:
                for slot, held in optimizer.state_of(variable).items():
                    slots.setdefault(slot, {})[id(value_of(variable))] = held
        else:
            trained = [id(value_of(variable)) for variable in optimizer._trainable_variables]
            for attribute, kinds in SLOTS.items():
                held = getattr(optimizer, attribute, None)
                if kind in kinds and held:
                    slots[kinds[kind]] = dict(zip(trained, held, strict=False))
            if not slots and getattr(optimizer, "momentum", None):
                self.lacks["slots"] = OTHERWISE.format(kind, kind)
        found = {}
        for slot, held in slots.items():
            views = port.named([held.get(place) for place in places])
            found[slot] = {n: view for n, view in views.items() if view is not None and set(rows[n]) <= own}
        return {slot: views for slot, views in found.items() if views}


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


def unwrapped(calls: list[list[Any]]) -> Any:
    """Tensors of several calls: lists of lists, without those that have one item only."""
    inner: list[Any] = [call[0] if len(call) == 1 else call for call in calls]
    return inner[0] if len(inner) == 1 else inner


def picture(tensors: Any, pictures: bool) -> list[Any]:
    """Tensors in torch's order of axes, where a model of convolutions takes and gives pictures with the channels last."""
    return [
        View((tensor,), IMAGES[len(tensor.shape)], joined=False) if pictures and len(tensor.shape) in IMAGES else tensor
        for tensor in tensors
    ]
