"""A model and an optimizer in a record, taken apart into grads, lr, slots, params and buffers under torch's names.

No framework is known here. A model is what has ``named_parameters`` or, for Keras, whose variables have no names of
torch's, the Port that gives them; an optimizer is what has ``param_groups`` and ``state`` or, for Keras,
``learning_rate`` and, if its slots have torch's names, ``state_of``; Keras' own go by ``harness.contract.keras_slots``.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from harness.contract.keras_slots import keeps_otherwise, kind_of, state_of
from harness.contract.port import Port
from harness.errors import UsageError, counted

HELD = ("grads", "lr", "slots", "params", "buffers")
"""Stages that models and optimizers hold, in causal order."""

BY_PARAMETER = ("grads", "clipped")
"""Stages that hold one tensor for each parameter."""


def taken_apart(record: Mapping[Any, Any]) -> dict[Any, Any]:
    """The record with ``"model"`` and ``"optimizer"`` replaced by what they hold.

    A model gives ``params``, ``buffers`` and, of the parameters that ask for one, ``grads``: what ``.grad`` holds when
    the record is yielded; none at all if every ``.grad`` is None. Several go into a dict, whose keys become the first
    part of the names, or, if they are Ports, into a tuple. An optimizer gives ``lr``, one for each group unless all are
    the same, and ``slots``. A stage that the record has itself is left as it is, but for the names: beside a model,
    ``slots`` may be in torch's order, ``{parameter: {slot: tensor}}``, as ``optimizer.state`` is; beside a Port,
    ``grads``, ``clipped`` and each of ``slots`` may be lists in the order of its variables.

    Raises UsageError for an optimizer whose parameters have no names here, and for lists that do not fit the Port.
    """
    models = model_of(record)
    optimizers = several(record["optimizer"]) if is_optimizer(record.get("optimizer")) else []
    names = names_of(models, record, optimizers)
    held: dict[str, Any] = held_by(models)
    if optimizers:
        held["lr"] = rates(optimizers)
        if "slots" not in record:
            held["slots"] = slots_of(optimizers, models, names)
    whole: dict[Any, Any] = {}
    for key, value in record.items():
        if (key == "model" and models) or (key == "optimizer" and optimizers):
            whole |= {stage: held[stage] for stage in HELD if stage in held and stage not in record}
        elif key == "slots" and isinstance(value, Mapping):
            slots = {slot: named(models, f"slots/{slot}", tensors) for slot, tensors in value.items()}
            whole[key] = by_slot(slots, names)
        else:
            whole[key] = named(models, key, value) if key in BY_PARAMETER else value
    return whole


def model_of(record: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """The models of a record with the first part of their names; none if ``"model"`` is some tensor of the user's."""
    model = record.get("model")
    if hasattr(model, "trainable_variables") and not is_model(model):
        raise UsageError(
            f"model is a {type(model).__name__}, whose variables have no names of torch's; yield the Port that has them: "
            '"model": port'
        )
    models = model.items() if isinstance(model, Mapping) else [("", each) for each in several(model)]
    return [(str(name), each) for name, each in models] if all(is_model(each) for _, each in models) else []


def is_model(value: Any) -> bool:
    """Whether this gives parameters names."""
    return isinstance(value, Port) or hasattr(value, "named_parameters")


def is_optimizer(value: Any) -> bool:
    """Whether this is an optimizer, or several."""
    alike = [hasattr(each, "param_groups") or hasattr(each, "learning_rate") for each in several(value)]
    return bool(alike) and all(alike)


def several(value: Any) -> list[Any]:
    """One thing, or the things of a list, tuple or dict."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def parameters(prefix: str, model: Any) -> Iterator[tuple[str, Any]]:
    """(name, parameter) of a model of torch's."""
    for name, parameter in model.named_parameters():
        yield (f"{prefix}.{name}" if prefix else name), parameter


def held_by(models: list[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the models hold, by stage."""
    grads: dict[str, Any] = {}
    params: dict[str, Any] = {}
    buffers: dict[str, Any] = {}
    for prefix, model in models:
        if isinstance(model, Port):
            params |= model.named(model.variables)
            if model.buffers is not None:
                buffers |= model.buffers.named(model.buffers.variables)
            continue
        for name, parameter in parameters(prefix, model):
            params[name] = parameter
            if getattr(parameter, "requires_grad", False):
                grads[name] = parameter.grad
        kept = model.state_dict() if hasattr(model, "state_dict") else None
        for name, buffer in model.named_buffers() if hasattr(model, "named_buffers") else ():
            if kept is None or name in kept:
                buffers[f"{prefix}.{name}" if prefix else name] = buffer
    if all(grad is None for grad in grads.values()):
        grads = {}
    return {stage: held for stage, held in (("grads", grads), ("params", params), ("buffers", buffers)) if held}


def names_of(models: list[tuple[str, Any]], record: Mapping[Any, Any], optimizers: list[Any]) -> dict[int, str]:
    """The name of each parameter of torch's, by the identity of the tensor, as far as the record tells it."""
    names: dict[int, str] = {}
    for optimizer in optimizers:
        for group in getattr(optimizer, "param_groups", ()):
            names |= {id(p): name for p, name in zip(group["params"], group.get("param_names", ()), strict=False)}
    if isinstance(record.get("params"), Mapping):
        names |= {id(parameter): str(name) for name, parameter in record["params"].items()}
    for prefix, model in models:
        if not isinstance(model, Port):
            names |= {id(parameter): name for name, parameter in parameters(prefix, model)}
    return names


def rates(optimizers: list[Any]) -> Any:
    """The learning rate, or one for each group and optimizer if they are not all the same."""
    found = []
    for optimizer in optimizers:
        groups = getattr(optimizer, "param_groups", None)
        found += [group["lr"] for group in groups] if groups is not None else [rate_of(optimizer)]
    return found[0] if len({float(rate) for rate in found}) == 1 else found


def rate_of(optimizer: Any) -> Any:
    """The rate of one of Keras' optimizers; legacy Keras' older ones give the schedule itself, if they have one."""
    rate = optimizer.learning_rate
    return rate(optimizer.iterations) if callable(rate) and not hasattr(rate, "dtype") else rate


def slots_of(
    optimizers: list[Any], models: list[tuple[str, Any]], names: Mapping[int, str]
) -> dict[str, dict[str, Any]]:
    """What the optimizers keep for each parameter: {slot: {parameter: tensor}}."""
    slots: dict[str, dict[str, Any]] = {}
    for optimizer in optimizers:
        if hasattr(optimizer, "state_of") or kind_of(optimizer):
            ports = [model for _, model in models if isinstance(model, Port)]
            if not ports:
                raise UsageError('the optimizer\'s variables have no names; yield their Port beside it: "model": port')
            found = of_port(optimizer, ports)
        elif hasattr(optimizer, "param_groups"):
            found = by_slot(optimizer.state, names)
        elif keeps_otherwise(optimizer):
            kind = type(optimizer).__name__
            raise UsageError(
                f"Keras' {kind} keeps nothing under torch's names; use faithful.{kind}, or say which list is which: "
                '"slots": {"exp_avg": port.named(...)}'
            )
        else:
            found = {}
        for slot, tensors in found.items():
            slots.setdefault(slot, {}).update(tensors)
    return slots


def of_port(optimizer: Any, ports: Iterable[Port]) -> dict[str, dict[str, Any]]:
    """What an optimizer with torch's names keeps for the variables of these Ports, read through them."""
    slots: dict[str, dict[str, Any]] = {}
    state = optimizer.state_of if hasattr(optimizer, "state_of") else partial(state_of, optimizer)
    for port in ports:
        states = [state(variable) for variable in port.variables]
        for slot in dict.fromkeys(slot for state in states for slot in state):
            views = port.named([state.get(slot) for state in states])
            slots.setdefault(slot, {}).update({name: view for name, view in views.items() if view is not None})
    return slots


def by_slot(state: Mapping[Any, Any], names: Mapping[int, str]) -> dict[str, Any]:
    """Slots in either order, {parameter: {slot: tensor}} or {slot: {parameter: tensor}}, in the second one.

    A parameter is the tensor itself or its name. They come in the order of the names, whatever the order of updates was. A
    count that is a plain whole number, as in torch's SparseAdam, is what all others keep as a floating-point one.
    """
    known = set(names.values())
    if not state or not (
        all(isinstance(slots, Mapping) for slots in state.values())
        and all(hasattr(key, "shape") or key in known for key in state)
    ):
        return dict(state)
    unknown = next((key for key in state if hasattr(key, "shape") and id(key) not in names), None)
    if unknown is not None:
        raise UsageError(
            f"slots are kept for a parameter of shape {tuple(unknown.shape)} that has no name here; "
            'yield the model that it belongs to beside them: "model": model'
        )
    found = {names[id(key)] if hasattr(key, "shape") else key: slots for key, slots in state.items()}
    turned: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(names.values()):
        for slot, tensor in found.get(name, {}).items():
            turned.setdefault(slot, {})[name] = float(tensor) if type(tensor) is int else tensor
    return turned


def named(models: list[tuple[str, Any]], stage: str, value: Any) -> Any:
    """A list in the order of the Ports' variables under torch's names; anything else as it is."""
    ports = [model for _, model in models if isinstance(model, Port)]
    if not ports or not isinstance(value, list | tuple):
        return value
    values = list(value)
    if len(values) == len(ports) > 1 and all(isinstance(each, list | tuple) for each in values):
        values = [each for part in values for each in part]
    size = sum(len(port.variables) for port in ports)
    if len(values) != size:
        raise UsageError(
            f"{stage} holds {counted(len(values), 'value')} and the Port {counted(size, 'variable')}; give one for each "
            "of port.variables, in their order"
        )
    made: dict[str, Any] = {}
    for port in ports:
        made |= port.named(values[: len(port.variables)])
        values = values[len(port.variables) :]
    return made
