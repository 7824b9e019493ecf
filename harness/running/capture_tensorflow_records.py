"""A step of a captured TensorFlow function as a record under torch's names and axes, read through the Port."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import tensorflow as tf

from harness.contract.keras_slots import held_count, held_for, keeps_otherwise
from harness.contract.port import Port, View
from harness.running.capture import unnamed
from harness.running.capture_tensorflow_cells import Applied
from harness.running.capture_tensorflow_hooks import Pass
from harness.running.capture_tensorflow_values import value_of

OTHERWISE = "Keras' {} keeps its momentum times the rate; faithful.{} keeps what torch's does"
IMAGES = {4: "n h w c -> n c h w", 5: "n d h w c -> n c d h w"}
"""Pictures and volumes, by their number of axes, where the channels stand last."""


class Records:
    """Makes the records of a pass. lacks: where stages that cannot be had are noted, with the reason."""

    def __init__(self, port: Port, at: Pass, lacks: dict[str, str]) -> None:
        self.port, self.at, self.lacks = port, at, lacks
        self.places = [id(value_of(variable)) for variable in port.variables]
        self.held: dict[str, View] = port.named(port.variables)
        self.rows = {name: {id(value_of(leaf)) for leaf in view.leaves} for name, view in self.held.items()}
        created = {id(variable) for variable in at.created}
        before = {id(v): v for v in map(value_of, port.variables) if id(v) not in created}
        learn = at.trainable | {place for place, variable in before.items() if variable.trainable}
        self.trained = {name for name, places in self.rows.items() if places <= learn}
        self.params = {name: view for name, view in self.held.items() if name in self.trained}
        self.buffers = {name: view for name, view in self.held.items() if name not in self.trained}
        self.kept: dict[int, tuple[tuple[int, set[int]], dict[str, Any]]] = {}
        self.pictures = any("h w i o" in (view.pattern or "") for view in self.held.values())

    def record(self, applied: Applied) -> dict[str, Any]:
        """What a step was; the tensors are live, or cells that hold until the function goes on."""
        own = {id(variable) for variable in applied.variables}
        record: dict[str, Any] = {}
        if applied.calls:
            record["batch"] = unwrapped([self.pictured(inputs) for inputs, _ in applied.calls])
            record["outputs"] = unwrapped([self.pictured(outputs) for _, outputs in applied.calls])
        else:
            self.lacks["batch"] = self.lacks["outputs"] = "no layer was called under a tape since the step before"
        if not applied.losses:
            raise unnamed("loss", "gradients were applied that no GradientTape was asked for")
        record["loss"] = unwrapped([applied.losses])
        record["grads"] = self.named(applied.grads, own)
        if applied.clipped:
            record["clipped"] = self.named(applied.clipped, own)
        record["lr"] = applied.rate
        record["slots"] = self.slots(applied.optimizer, own)
        optimizers = self.at.optimizers.made
        several = len(optimizers) - sum(hasattr(each, "inner_optimizer") for each in optimizers) > 1
        record["params"] = {name: v for name, v in self.params.items() if not several or self.rows[name] <= own}
        if applied.alone:
            record["buffers"] = self.buffers
        else:
            self.lacks["buffers"] = "several optimizers make a step in one call of a traced function"
        return {stage: value for stage, value in record.items() if not isinstance(value, dict) or value}

    def named(self, tensors: Mapping[int, Any], own: set[int]) -> dict[str, Any]:
        """Tensors by the identity of their variable, under torch's names; of an optimizer's own variables."""
        views = self.port.named([tensors.get(place) for place in self.places])
        return {name: view for name, view in views.items() if self.rows[name] <= own}

    def slots(self, optimizer: Any, own: set[int]) -> dict[str, Any]:
        """What an optimizer keeps for each parameter, as far as it is what torch's keeps."""
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if hasattr(optimizer, "state_of"):
            return self.slots_found(optimizer, own)
        now = held_count(optimizer), own
        if self.kept.get(id(optimizer), (None,))[0] != now:  # Keras' own keeps the same variables from step to step
            self.kept[id(optimizer)] = now, self.slots_found(optimizer, own)
        return self.kept[id(optimizer)][1]

    def slots_found(self, optimizer: Any, own: set[int]) -> dict[str, Any]:
        """``slots``, asked anew."""
        kind = type(optimizer).__name__
        slots: dict[str, dict[int, Any]] = {}
        own_names = hasattr(optimizer, "state_of")
        kept = optimizer.state_of if own_names else partial(held_for, optimizer)
        for variable in self.port.variables:
            for slot, held in kept(variable).items():
                slots.setdefault(slot, {})[id(value_of(variable))] = held
        if not slots and not own_names and getattr(optimizer, "momentum", None) and keeps_otherwise(optimizer):
            self.lacks["slots"] = OTHERWISE.format(kind, kind)
        found = {}
        for slot, held in slots.items():
            found[slot] = {name: view for name, view in self.named(held, own).items() if view is not None}
        return {slot: views for slot, views in found.items() if views}

    def pictured(self, tensors: Iterable[Any]) -> list[Any]:
        """Tensors in torch's order of axes, where a model of convolutions takes and gives pictures with channels last."""
        return [
            View((tensor,), IMAGES[len(tensor.shape)], joined=False)
            if self.pictures and isinstance(tensor, tf.Tensor | tf.Variable) and (tensor.shape.rank or 0) in IMAGES
            else tensor
            for tensor in tensors
        ]


def unwrapped(calls: list[list[Any]]) -> Any:
    """Tensors of several calls: lists of lists, without those that have one item only."""
    inner: list[Any] = [call[0] if len(call) == 1 else call for call in calls]
    return inner[0] if len(inner) == 1 else inner
