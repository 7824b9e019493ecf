"""An unchanged PyTorch training function, seen through the framework's own seams: one record for each optimizer step.

A step is the outermost ``optimizer.step()`` (SAM around SGD is one); where one backward pass is for several optimizers, their
steps are one. Batch and outputs are those of the outermost calls of
modules since the step before that gave something to differentiate, so that an evaluation in between adds nothing; losses are
what ``backward`` was called on. Everything else is read from the live objects when the step is over.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from harness.contract.training_state import by_slot
from harness.errors import UsageError
from harness.running.capture import Driven, unnamed
from harness.running.capture_torch_joint import Joint
from harness.running.capture_torch_parts import every, tensors, unwrapped
from harness.running.capture_torch_start import Beginning
from harness.running.draws import now


class CaptureTorch:
    """See Capturing. ``train`` calls the function with its arguments.

    weights: what every parameter and buffer starts from, by torch's names. initial: the one record is what the function's
    own initialisers gave.
    """

    def __init__(self, train: Callable[[], Any], weights: Mapping[str, Any], *, initial: bool = False) -> None:
        self.initial = initial
        self.lacks: dict[str, str] = {}
        self.names: Mapping[str, Any] = {}  # torch's tensors have names of their own
        self.begins = Beginning(weights, initial=initial)
        self.optimizers: list[torch.optim.Optimizer] = []
        self.depth = self.stepping = 0
        self.calls: list[tuple[list[torch.Tensor], list[torch.Tensor]]] = []
        self.losses: list[torch.Tensor] = []
        self.gradients: list[torch.Tensor] = []
        self.raw: dict[int, torch.Tensor] = {}
        self.versions: dict[int, tuple[torch.Tensor, int]] = {}
        self.clips, self.by_hand, self.steps = False, True, 0
        self.joint = Joint()
        self.undo: list[Callable[[], Any]] = []
        self.driven = Driven(lambda _: self.whole(train))

    def whole(self, train: Callable[[], Any]) -> None:
        """The function, to the record of its last step."""
        try:
            train()
        except Exception:
            self.tell()
            raise
        self.tell()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        if not self.undo:
            self.put()
        return next(self.driven)

    def close(self) -> None:
        """See Capturing."""
        try:
            self.driven.close()
        finally:
            while self.undo:
                self.undo.pop()()

    # The hooks

    def put(self) -> None:
        """Put the hooks in."""
        before = register_optimizer_step_pre_hook(self.before_step)
        after = register_optimizer_step_post_hook(self.after_step)
        self.undo += [before.remove, after.remove]
        if (draws := now("torch")) is not None:
            draws.traced = lambda: len(self.joint.over[:1])  # what is drawn then is the next step's
        self.exchange(nn.Module, "__call__", self.module_call)
        self.exchange(torch.autograd, "backward", self.backward)
        self.exchange(torch.autograd, "grad", self.grad)
        self.exchange(clip_grad, "_clip_grads_with_norm_", self.clipping)
        for owner in (clip_grad, nn.utils):
            self.exchange(owner, "clip_grad_value_", self.clipping)
        self.exchange(torch.optim.Optimizer, "__init__", self.optimizer_made)
        for owner in (torch.optim.Optimizer, nn.Module):
            self.exchange(owner, "zero_grad", self.zeroing)

    def exchange(self, owner: Any, name: str, wrapped: Callable[[Any], Any]) -> None:
        """Put a wrapper in the place of an attribute, until ``close``."""
        plain = vars(owner)[name]
        setattr(owner, name, wrapped(plain))
        self.undo.append(lambda: setattr(owner, name, plain))

    def module_call(self, plain: Any) -> Any:
        """``module(...)``: the outermost call of a model is a forward pass."""

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if self.depth or not self.driven.inside:
                return plain(module, *args, **kwargs)
            if id(module) not in self.begins.known:
                if next(module.parameters(), None) is None:
                    return plain(module, *args, **kwargs)  # a loss, an activation
                self.begins.adopt(module)
            if torch.is_grad_enabled():
                self.tell()
            self.depth += 1
            try:
                made = plain(module, *args, **kwargs)
            finally:
                self.depth -= 1
            outputs = list(tensors(made))
            if torch.is_grad_enabled() and any(output.requires_grad for output in outputs):
                inputs = [value.detach() for value in tensors((args, kwargs))]
                self.calls.append((inputs, [output.detach() for output in outputs]))
            return made

        return call

    def backward(self, plain: Any) -> Any:
        """``torch.autograd.backward``, which ``loss.backward()`` looks up: what it is called on is the loss."""

        def backward(of: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.driven.inside:
                return plain(of, *args, **kwargs)
            if not self.stepping:
                self.tell()
            if not (self.stepping and self.losses):  # LBFGS asks again and again; its first loss is the step's
                self.losses += [tensor.detach() for tensor in tensors(of)]
            made = plain(of, *args, **kwargs)
            if self.by_hand:
                self.remember()
            return made

        return backward

    def grad(self, plain: Any) -> Any:
        """``torch.autograd.grad``: its first output is the loss of a step that calls no ``backward``."""

        def grad(outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self.driven.inside:
                if not self.stepping:
                    self.tell()
                self.gradients = [tensor.detach() for tensor in tensors(outputs)][:1]
            return plain(outputs, *args, **kwargs)

        return grad

    def zeroing(self, plain: Any) -> Any:
        """``zero_grad``: gradients are what they were in the step until here."""

        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
            if self.driven.inside and not self.stepping:
                self.tell()
            return plain(owner, *args, **kwargs)

        return zero_grad

    def clipping(self, plain: Any) -> Any:
        """What clips: gradients as they were before."""

        def clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            if self.driven.inside:
                parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
                for parameter in parameters:
                    if parameter.grad is not None and id(parameter) not in self.raw:
                        self.raw[id(parameter)] = parameter.grad.detach().clone()
                self.clips = True
            return plain(parameters, *args, **kwargs)

        return clip

    def optimizer_made(self, plain: Any) -> Any:
        """``Optimizer.__init__``: models whose parameters it takes start from their values now, as copies of them do."""

        def init(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
            plain(optimizer, *args, **kwargs)
            if self.driven.inside:
                self.optimizers.append(optimizer)
                self.begins.adopt_parameters(optimizer)

        return init

    def remember(self) -> None:
        """Gradients as ``backward`` leaves them, for a function that clips them by hand."""
        for optimizer in self.optimizers:
            for parameter in every(optimizer):
                gradient = parameter.grad
                if gradient is None or gradient.is_sparse:
                    continue
                self.versions[id(parameter)] = (gradient.detach().clone(), gradient._version)

    # A step

    def before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """An optimizer begins its step."""
        del args, kwargs
        if self.driven.inside:
            if not self.stepping and any(optimizer is one for one in self.joint.over):
                self.tell()
            self.stepping += 1
            if self.stepping == 1 and optimizer not in self.optimizers:
                self.optimizers.append(optimizer)
                self.begins.adopt_parameters(optimizer)

    def after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """An optimizer has made its step: give way, if it is the outermost one and no other waits for the same gradients."""
        del args, kwargs
        if not self.driven.inside:
            return
        self.stepping -= 1
        if self.stepping:
            return
        self.joint.made(optimizer)
        if self.initial or not self.joint.awaits(self.optimizers):
            self.tell()

    def tell(self) -> None:
        """Give way with the record of a step, if one was made that has not been told."""
        if not self.joint.over:
            return
        record: dict[str, Any] = {"initial": self.begins.found} if self.initial else self.record()
        self.calls, self.losses, self.gradients, self.raw, self.versions = [], [], [], {}, {}
        self.joint.told(self.optimizers)
        self.steps += 1
        self.begins.over = True
        try:
            self.driven.pause(record)
        finally:
            record.clear()  # held gradients would make the next backward pass find new memory

    def record(self) -> dict[str, Any]:
        """What this step was, under torch's names."""
        optimizers = self.joint.over
        taken = {id(p): p for optimizer in optimizers for p in every(optimizer)}
        parameters = [(self.begins.names[place], p) for place, p in taken.items() if place in self.begins.names]
        if not parameters:
            raise UsageError(
                "this step trains a model that was not there at the first step, so nothing is known of where it starts; give "
                "its values in weights=, under the name of its variable and a dot"
            )
        record: dict[str, Any] = {}
        if self.calls:
            record["batch"] = unwrapped([inputs for inputs, _ in self.calls])
            record["outputs"] = unwrapped([outputs for _, outputs in self.calls])
        else:
            why = "no module of the loop's was called with gradients since the step before"
            self.lacks["batch"] = self.lacks["outputs"] = why
        losses = self.losses or self.gradients
        if not losses:
            raise unnamed("loss", "optimizer.step() was called with no call of backward before it")
        record["loss"] = unwrapped([losses])
        record["grads"] = {name: p.grad for name, p in parameters if p.requires_grad}
        self.changed_by_hand(parameters)
        if self.clips:
            record["clipped"] = record["grads"]
            record["grads"] = {name: self.raw.get(id(p), p.grad) for name, p in parameters if p.requires_grad}
        record["lr"] = self.joint.rate
        kept = {p: one.state[p] for one in optimizers for p in every(one) if p in one.state}
        slots = by_slot({p: kept[p] for _, p in parameters if p in kept}, self.begins.names)
        if slots:
            record["slots"] = slots
        record["params"], record["buffers"] = self.held({id(parameter) for _, parameter in parameters})
        return {stage: value for stage, value in record.items() if not isinstance(value, dict) or value}

    def changed_by_hand(self, parameters: list[tuple[str, torch.Tensor]]) -> None:
        """Find gradients that were changed after the last backward pass; whether to look is decided at the first step."""
        if not self.by_hand:
            return
        found = False
        for _, parameter in parameters:
            raw, version = self.versions.get(id(parameter), (None, 0))
            if raw is not None and id(parameter) not in self.raw and parameter.grad._version != version:
                self.raw[id(parameter)] = raw
                found = True
        self.clips |= found
        self.by_hand = found or self.steps > 0  # a bound need not be reached at every step

    def held(self, own: set[int]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters and buffers: of all models, or where there are several optimizers, of those that this step trains."""
        several = len(self.optimizers) > 1
        params: dict[str, Any] = {}
        buffers: dict[str, Any] = {}
        for parts in self.begins.parts:
            if several and not any(id(parameter) in own for parameter in parts.params.values()):
                continue
            params |= {name: p for name, p in parts.params.items() if not several or id(p) in own}
            buffers |= {name: owner[key] for name, owner, key in parts.buffers}
        params |= {name: p for name, p in self.begins.bare.items() if not several or id(p) in own}
        return params, buffers
