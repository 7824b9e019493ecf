"""What people make of an optimizer when they port it: other hyperparameters, and updates that are written another way.

Updates are plain formulas on one parameter, with the state under torch's names; sources: torch.optim's and Keras' documentation.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import Optimizer

from harness.running.start import Setting

Settings = Mapping[str, Setting]
Group = dict[str, Any]
State = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One parameter's update: before it, its gradient, its group; state is changed in place, the new value is returned."""

    old: torch.Tensor
    grad: torch.Tensor
    state: State
    group: Group


@dataclass(frozen=True)
class Other:
    """Another value for a hyperparameter of some optimizers, or another way to compute their step."""

    name: str
    cause: str
    kinds: frozenset[str]
    values: tuple[tuple[str, tuple[Setting | Callable[[Any], Setting], ...]], ...] = ()
    update: Callable[[Step, Settings], torch.Tensor] | None = None
    where: Callable[[Group], bool] = field(default=lambda _: True)
    stage: str = "slots"

    def offers(
        self, group: Group, beside: Sequence[Group] = ()
    ) -> Iterator[tuple[dict[str, Setting], dict[str, Setting]]]:
        """Settings to try for this group, beside what they replace. beside: other groups of the optimizer.

        Where no value is named, those of the other groups are tried.
        """
        if not self.where(group):
            return
        if not self.values:
            yield {}, {}
            return
        for key, values in self.values:
            part, _, at = key.partition(".")
            if part not in group:
                continue
            was = group[part][int(at)] if at else group[part]
            if not isinstance(was, int | float | bool):
                continue
            seen: set[Setting] = {was}
            for value in values or [one[part] for one in beside]:
                new = value(was) if callable(value) else value
                if new not in seen:
                    seen.add(new)
                    yield {key: new}, {key: was}


def put(group: Group, settings: Settings) -> None:
    """Other hyperparameters in a group; "betas.0" is the first of a pair."""
    for key, value in settings.items():
        part, _, at = key.partition(".")
        if part in group:
            if at:
                pair = list(group[part])
                pair[int(at)] = value
                group[part] = tuple(pair)
            else:
                group[part] = value


def steps(state: State) -> float:
    """How many steps a parameter has made, this one included."""
    return float(state["step"])


def moments(step: Step) -> tuple[torch.Tensor, torch.Tensor]:
    """Adam's two means, brought up to date."""
    beta1, beta2 = step.group["betas"]
    first = step.state["exp_avg"].mul_(beta1).add_(step.grad, alpha=1 - beta1)
    second = step.state["exp_avg_sq"].mul_(beta2).add_(step.grad * step.grad, alpha=1 - beta2)
    return first, second


def adam(step: Step, *, hat: bool = False, decoupled: bool | None = None, corrected: bool = True,
         scaled: bool = True, inside: bool = False) -> torch.Tensor:  # fmt: skip
    """Adam, with one thing written another way.

    hat: epsilon is Kingma's hat, which is not corrected. decoupled: decay acts on the parameter. corrected: the means are.
    scaled: a decoupled decay is multiplied by the rate. inside: epsilon is under the root.
    """
    group, old = step.group, step.old
    rate, decay, eps = group["lr"], group["weight_decay"], group["eps"]
    own = bool(group.get("decoupled_weight_decay", False))
    if own if decoupled is None else decoupled:
        old = old * (1 - (rate if scaled else 1.0) * decay)
    elif decay:
        step = Step(old, step.grad + decay * old, step.state, group)
    first, second = moments(step)
    beta1, beta2 = group["betas"]
    count = steps(step.state)
    one, two = (1 - beta1**count, 1 - beta2**count) if corrected else (1.0, 1.0)
    if hat:
        return old - rate * math.sqrt(two) / one * first / (second.sqrt() + eps)
    if inside:
        return old - rate / one * first / (second / two + eps).sqrt()
    return old - rate / one * first / ((second / two).sqrt() + eps)


def sgd(step: Step, *, keras: bool = False, decoupled: bool = False, damped: bool = False, nesterov: bool | None = None,
        averaged: bool = False) -> torch.Tensor:  # fmt: skip
    """SGD, with one thing written another way.

    keras: the rate is inside the velocity. decoupled: decay acts on the parameter. damped: the first step is dampened too.
    averaged: the gradient enters the buffer by one minus the momentum.
    """
    group, old, grad = step.group, step.old, step.grad
    rate, mu, decay, damping = (group[key] for key in ("lr", "momentum", "weight_decay", "dampening"))
    looks = group["nesterov"] if nesterov is None else nesterov
    if decoupled:
        old = old * (1 - rate * decay)
    elif decay:
        grad = grad + decay * old
    if not mu:
        return old - rate * grad
    buffer = step.state.get("momentum_buffer")
    known = isinstance(step.state.get("velocity"), torch.Tensor)
    first = not known and step.state.get("fresh", True)
    if keras:
        velocity = mu * step.state["velocity"] - rate * grad if known else -rate * grad
        step.state["velocity"] = velocity
        if isinstance(buffer, torch.Tensor):
            buffer.copy_(-velocity / rate if rate else velocity)
        return old + mu * velocity - rate * grad if looks else old + velocity
    part = grad * (1 - mu) if averaged else grad if first and not damped else grad * (1 - damping)
    new = part if first else mu * buffer + part
    if isinstance(buffer, torch.Tensor):
        buffer.copy_(new)
    return old - rate * (grad + mu * new if looks else new)


def rmsprop(step: Step, *, inside: bool = True, velocity: bool = False) -> torch.Tensor:
    """RMSprop with epsilon under the root, or with the rate inside the momentum."""
    group, old, grad = step.group, step.old, step.grad
    if group["weight_decay"]:
        grad = grad + group["weight_decay"] * old
    mean = step.state["square_avg"].mul_(group["alpha"]).add_(grad * grad, alpha=1 - group["alpha"])
    if group["centered"]:
        average = step.state["grad_avg"].mul_(group["alpha"]).add_(grad, alpha=1 - group["alpha"])
        mean = mean - average * average
    divisor = (mean + group["eps"]).sqrt() if inside else mean.sqrt() + group["eps"]
    if not group["momentum"]:
        return old - group["lr"] * grad / divisor
    if velocity:
        moved = step.state["momentum_buffer"].mul_(group["momentum"]).add_(group["lr"] * grad / divisor)
        return old - moved
    moved = step.state["momentum_buffer"].mul_(group["momentum"]).add_(grad / divisor)
    return old - group["lr"] * moved


def adagrad(step: Step, *, initial: float = 0.0, inside: bool = True) -> torch.Tensor:
    """Adagrad with epsilon under the root, or from another first sum."""
    group, old, grad = step.group, step.old, step.grad
    if group["weight_decay"]:
        grad = grad + group["weight_decay"] * old
    rate = group["lr"] / (1 + (steps(step.state) - 1) * group["lr_decay"])
    first = steps(step.state) == 1
    total = step.state["sum"].add_(grad * grad)
    if first and initial:
        total.add_(initial - group["initial_accumulator_value"])
    divisor = (total + group["eps"]).sqrt() if inside else total.sqrt() + group["eps"]
    return old - rate * grad / divisor


def small(step: Step) -> bool:
    """Whether a parameter is a bias or belongs to a norm, as far as its axes tell."""
    return step.old.dim() <= 1


def matrices_only(update: Callable[..., torch.Tensor]) -> Callable[[Step, Settings], torch.Tensor]:
    """Decay of matrices alone."""
    return lambda step, _: update(
        Step(step.old, step.grad, step.state, {**step.group, "weight_decay": 0.0}) if small(step) else step
    )


def kinds(names: str) -> frozenset[str]:
    """Names of optimizers."""
    return frozenset(names.split())


ADAMS = kinds("Adam AdamW")
EVERY = kinds("Adam AdamW NAdam RAdam Adamax Adadelta Adagrad RMSprop SGD ASGD Rprop Adafactor Muon")


def decays(group: Group) -> bool:
    """Whether a group has weight decay."""
    return bool(group.get("weight_decay"))


def moves(group: Group) -> bool:
    """Whether a group has momentum."""
    return bool(group.get("momentum"))


def value(cause: str, names: str, key: str, *given: Setting | Callable[[Any], Setting], stage: str = "slots") -> Other:
    """Another value for a hyperparameter."""
    return Other(key, cause, kinds(names), ((key, given),), stage=stage)


CHANGES: tuple[Other, ...] = (
    value("sgd-nesterov-omitted", "SGD", "nesterov", False, True, stage="params"),
    value("adam-eps-default", "Adam AdamW NAdam RAdam Adamax SparseAdam", "eps", 1e-7, 1e-8, 1e-3, 1e-6, 1e-4, 1e-5, 0.0, 1e-12,
          stage="params"),
    value("rmsprop-defaults", "RMSprop", "eps", 1e-7, 1e-8, 1e-3, 1e-6, 1e-4, 1e-5, 0.0, 1e-12),
    value("rmsprop-defaults", "RMSprop", "alpha", 0.9, 0.99, 0.95),
    value("adadelta-defaults", "Adadelta", "eps", 1e-7, 1e-6, 1e-8),
    value("adadelta-defaults", "Adadelta", "rho", 0.95, 0.9),
    value("adagrad-eps-placement", "Adagrad", "eps", 1e-7, 1e-10, 1e-8, stage="params"),
    value("adam-betas-other", "Adam AdamW NAdam RAdam Adamax SparseAdam", "betas.0", 0.9, 0.5, 0.0, 0.99, 0.8, 0.95),
    value("adam-betas-other", "Adam AdamW NAdam RAdam Adamax SparseAdam", "betas.1", 0.999, 0.99, 0.98, 0.95, 0.9, 0.9999),
    value("amsgrad-omitted", "Adam AdamW", "amsgrad", False, True),
    value("sgd-momentum-other", "SGD RMSprop", "momentum", 0.0, 0.9, 0.5, 0.99, lambda m: 1 - m),
    value("sgd-dampening", "SGD", "dampening", 0.0),
    value("rmsprop-centered", "RMSprop", "centered", False, True),
    value("adamw-default-weight-decay", "AdamW", "weight_decay", 0.004, 0.01, 0.0, stage="params"),
    value("weight-decay-omitted", "Adam SGD RMSprop Adagrad Adadelta NAdam RAdam Adamax", "weight_decay", 0.0),
    value("l2-regularizer-factor-two", "Adam SGD RMSprop Adagrad Adadelta AdamW", "weight_decay",
          lambda d: 2 * d, lambda d: d / 2),
    value("nadam-momentum-decay", "NAdam", "momentum_decay", 0.0, 1.0, 0.004),
    value("adagrad-lr-decay", "Adagrad", "lr_decay", 0.0, stage="params"),
    value("adagrad-initial-accumulator", "Adagrad", "initial_accumulator_value", 0.1, 0.0),
    Other("epsilon before the correction", "adam-eps-hat-placement", ADAMS, update=lambda s, _: adam(s, hat=True),
          where=lambda g: not g["amsgrad"], stage="params"),
    # Keras' own Adam has both: neither alone brings the two any nearer.
    Other("epsilon 1e-7 before the correction", "adam-eps-hat-placement", ADAMS,
          update=lambda s, _: adam(Step(s.old, s.grad, s.state, {**s.group, "eps": 1e-7}), hat=True),
          where=lambda g: not g["amsgrad"] and g["eps"] != 1e-7, stage="params"),
    Other("epsilon under the root", "adam-eps-inside-sqrt", ADAMS, update=lambda s, _: adam(s, inside=True),
          where=lambda g: not g["amsgrad"], stage="params"),
    Other("no correction of the means", "adam-bias-correction-omitted", ADAMS,
          update=lambda s, _: adam(s, corrected=False), where=lambda g: not g["amsgrad"], stage="params"),
    Other("decay on the parameter", "adam-weight-decay-coupled", kinds("Adam"),
          update=lambda s, _: adam(s, decoupled=True), where=lambda g: decays(g) and not g["amsgrad"]),
    Other("decay in the gradient", "adamw-decay-in-gradient", kinds("AdamW"),
          update=lambda s, _: adam(s, decoupled=False), where=lambda g: decays(g) and not g["amsgrad"]),
    Other("decay without the rate", "adamw-decay-not-lr-scaled", kinds("AdamW"),
          update=lambda s, _: adam(s, scaled=False), where=lambda g: decays(g) and not g["amsgrad"], stage="params"),
    Other("decay of matrices alone", "adamw-exclude-bias-param-groups", ADAMS, update=matrices_only(adam),
          where=lambda g: decays(g) and not g["amsgrad"]),
    Other("another group's decay", "adamw-exclude-bias-param-groups", EVERY, (("weight_decay", ()),), stage="slots"),
    Other("rate inside the velocity", "sgd-momentum-lr-schedule", kinds("SGD"), update=lambda s, _: sgd(s, keras=True),
          where=lambda g: moves(g) and not g["dampening"]),
    Other("decay on the parameter", "sgd-weight-decay-coupled-momentum", kinds("SGD"),
          update=lambda s, _: sgd(s, decoupled=True), where=decays),
    Other("decay of matrices alone", "l2-biases-and-norms-included", kinds("SGD"), update=matrices_only(sgd), where=decays),
    Other("dampened by the momentum", "sgd-dampening", kinds("SGD"),
          update=lambda s, _: sgd(Step(s.old, s.grad, s.state, {**s.group, "dampening": s.group["momentum"]})),
          where=lambda g: moves(g) and g["dampening"] != g["momentum"]),
    Other("first step dampened", "sgd-dampening-first-step", kinds("SGD"), update=lambda s, _: sgd(s, damped=True),
          where=lambda g: moves(g) and bool(g["dampening"])),
    Other("gradient by one minus the momentum", "sgd-momentum-averaged", kinds("SGD"),
          update=lambda s, _: sgd(s, averaged=True), where=moves),
    Other("epsilon under the root", "rmsprop-eps-inside-sqrt", kinds("RMSprop"), update=lambda s, _: rmsprop(s),
          stage="params"),
    Other("rate inside the momentum", "rmsprop-momentum-lr-schedule", kinds("RMSprop"),
          update=lambda s, _: rmsprop(s, inside=False, velocity=True), where=moves),
    Other("epsilon under the root", "adagrad-eps-placement", kinds("Adagrad"), update=lambda s, _: adagrad(s), stage="params"),
    Other("first sum 0.1", "adagrad-initial-accumulator", kinds("Adagrad"),
          update=lambda s, _: adagrad(s, initial=0.1, inside=False)),
    Other("parameters not moved", "optimizer-step-omitted", EVERY, update=lambda s, _: s.old, stage="slots"),
)  # fmt: skip
"""Every change of an optimizer, the commonest first."""


@dataclass(frozen=True)
class Before:
    """A parameter before a step: its value, its gradient, its state, and the number of its group."""

    parameter: torch.Tensor
    value: torch.Tensor
    grad: torch.Tensor
    state: State
    group: int


class Watching:
    """Sees every optimizer's steps: which there are, and the changes of them that are asked for."""

    def __init__(self, wanted: Mapping[str, list[tuple[Other, Settings]]]) -> None:
        self.wanted = wanted
        self.known: list[Optimizer] = []
        self.groups: list[list[Group]] = []
        self.stepping = False
        self.before: dict[int, list[Before]] = {}
        self.own: dict[torch.Tensor, State] = {}

    def key(self, optimizer: Optimizer) -> str:
        """The site that an optimizer is."""
        found = next((i for i, item in enumerate(self.known) if item is optimizer), None)
        if found is None:
            found = len(self.known)
            self.known.append(optimizer)
            self.groups.append([dict(group) for group in optimizer.param_groups])
        return f"optimizer {found}"

    def changes(self, optimizer: Optimizer, group: int) -> list[tuple[Other, Settings]]:
        """What is to be changed of one of its groups."""
        own = self.key(optimizer)
        return [
            pair
            for key in (own, "optimizer *", f"{own} group {group}")
            for pair in self.wanted.get(key, ())
            if type(optimizer).__name__ in pair[0].kinds
        ]

    def begin(self, optimizer: Optimizer, _args: Any, _named: Any) -> None:
        """Before a step: put hyperparameters, and remember what an update begins from."""
        self.stepping = True
        before: list[Before] = []
        for number, group in enumerate(optimizer.param_groups):
            changes = self.changes(optimizer, number)
            for other, settings in changes:
                if other.update is None:
                    put(group, settings)
            if any(other.update for other, _ in changes):
                before += [
                    Before(p, p.detach().clone(), p.grad.detach().clone(), kept(optimizer.state.get(p, {})), number)
                    for p in group["params"]
                    if p.grad is not None and not p.grad.is_sparse
                ]
        self.before[id(optimizer)] = before

    def end(self, optimizer: Optimizer, _args: Any, _named: Any) -> None:
        """After a step: put what the other update gives in its place."""
        with torch.no_grad():
            self._put(optimizer)
        self.stepping = False

    def _put(self, optimizer: Optimizer) -> None:
        for one in self.before.pop(id(optimizer), ()):
            p, was, grad = one.parameter, one.state, one.grad
            group = optimizer.param_groups[one.group]
            now = optimizer.state[p]
            own = self.own.setdefault(p, {})
            own["fresh"] = "momentum_buffer" not in was or was["momentum_buffer"] is None
            state: State = {**now, **own}
            for name, item in now.items():
                if isinstance(item, torch.Tensor) and name != "step":
                    before = was.get(name)
                    item.copy_(before if isinstance(before, torch.Tensor) else torch.zeros_like(item))
            given = {**group, "maximize": False}
            for other, settings in self.changes(optimizer, one.group):
                if other.update is not None:
                    p.copy_(
                        other.update(Step(one.value, -grad if group.get("maximize") else grad, state, given), settings)
                    )
            own.update({name: item for name, item in state.items() if name not in now})


def kept(state: Mapping[str, Any]) -> State:
    """A copy of a parameter's state."""
    return {name: item.clone() if isinstance(item, torch.Tensor) else item for name, item in state.items()}
