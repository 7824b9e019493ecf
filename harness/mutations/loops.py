"""What people forget or move in a training loop when they port it: things around the layers, the loss and the step."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.utils import clip_grad, rnn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook


@dataclass(frozen=True)
class Habit:
    """A change of a loop. used: what it needs to have seen in the run, by name. patched: a context in which it is made."""

    name: str
    cause: str
    stage: str
    used: str
    patched: Callable[[], AbstractContextManager[Any]]


@contextmanager
def replaced(*places: tuple[Any, str, Callable[[Any], Any]]) -> Iterator[None]:
    """Attributes exchanged for as long as the context lasts; each new one is made of the old one."""
    was = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    try:
        for owner, name, make in places:
            setattr(owner, name, make(getattr(owner, name)))
        yield
    finally:
        for owner, name, old in reversed(was):
            setattr(owner, name, old)


def clipping(make: Callable[[Any, Any], Any]) -> Callable[[], AbstractContextManager[Any]]:
    """Another ``clip_grad_norm_``, given the parameters as a list and the bound."""

    def other(_old: Any) -> Callable[..., Any]:
        def clip(parameters: Any, max_norm: Any, *_args: Any, **_named: Any) -> Any:
            every = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
            grads = [p.grad for p in every if p.grad is not None]
            total = torch.stack([g.norm() for g in grads]).norm() if grads else torch.tensor(0.0)
            with torch.no_grad():
                make(grads, max_norm)
            return total

        return clip

    return lambda: replaced((clip_grad, "clip_grad_norm_", other), (torch.nn.utils, "clip_grad_norm_", other))


def by_exact_norm(grads: list[torch.Tensor], most: float) -> None:
    """Clipped by the global norm as ``tf.clip_by_global_norm`` does: nothing is added to the norm."""
    total = torch.stack([g.norm() for g in grads]).norm()
    for g in grads:
        g.mul_(most / torch.maximum(total, torch.as_tensor(most, dtype=total.dtype)))


def each_alone(grads: list[torch.Tensor], most: float) -> None:
    """Each gradient clipped by its own norm, as Keras' clipnorm does."""
    for g in grads:
        g.mul_(most / torch.maximum(g.norm(), torch.as_tensor(most, dtype=g.dtype)))


def by_value(grads: list[torch.Tensor], most: float) -> None:
    """Each number clipped."""
    for g in grads:
        g.clamp_(-most, most)


def nothing_given(_old: Any) -> Callable[..., None]:
    """A function that does nothing."""
    return lambda *_args, **_named: None


def accumulating() -> AbstractContextManager[Any]:
    """Gradients are never set to zero."""
    return replaced((Optimizer, "zero_grad", nothing_given), (torch.nn.Module, "zero_grad", nothing_given))


@contextmanager
def fresh_gradients() -> Iterator[None]:
    """Every gradient begins from zero at the first backward pass after a step, as a tape's does."""
    due: set[Optimizer] = set()
    known: set[Optimizer] = set()

    def after(optimizer: Optimizer, *_: Any) -> None:
        known.add(optimizer)
        due.add(optimizer)

    def other(old: Any) -> Callable[..., Any]:
        def backward(*args: Any, **named: Any) -> Any:
            for optimizer in due:
                for group in optimizer.param_groups:
                    for p in group["params"]:
                        p.grad = None
            due.clear()
            return old(*args, **named)

        return backward

    hook = register_optimizer_step_post_hook(after)
    try:
        with replaced((torch.Tensor, "backward", other)):
            yield
    finally:
        hook.remove()


@contextmanager
def evaluating() -> Iterator[None]:
    """Every layer is called as in evaluation."""

    def still(module: torch.nn.Module, _given: Any) -> None:
        module.training = False

    hook = register_module_forward_pre_hook(still)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def reshaped_input() -> Iterator[None]:
    """Data of several channels are given to a model by a reshape, where axes had to be exchanged."""
    depth = 0

    def before(_module: torch.nn.Module, given: tuple[Any, ...]) -> Any:
        nonlocal depth
        depth += 1
        if depth > 1 or not given or not channels(given[0]):
            return None
        value = given[0]
        count, axes, *sizes = value.shape
        order = (0, value.dim() - 1, *range(1, value.dim() - 1))
        return (value.reshape(count, *sizes, axes).permute(order), *given[1:])

    def after(*_: Any) -> None:
        nonlocal depth
        depth -= 1

    hooks = [register_module_forward_pre_hook(before), register_module_forward_hook(after, always_call=True)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def channels(value: Any) -> bool:
    """Whether this is data, which nothing has been computed of, with several channels and some axes behind them."""
    return (
        isinstance(value, torch.Tensor) and value.is_floating_point() and not value.requires_grad
        and value.dim() > 2 and value.shape[1] > 1
    )  # fmt: skip


def modes(*, training: bool) -> Callable[[], AbstractContextManager[Any]]:
    """``eval()`` or ``train()`` does nothing."""

    def other(old: Any) -> Callable[..., Any]:
        def train(self: Any, mode: bool = True) -> Any:
            return old(self, mode) if mode != training else self

        return train

    return lambda: replaced((torch.nn.Module, "train", other))


def schedulers() -> list[type]:
    """Every class of schedulers that has a step of its own."""
    found, waiting = [], [LRScheduler]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "step" in vars(kind):
            found.append(kind)
    return [*found, *([ReduceLROnPlateau] if ReduceLROnPlateau not in found else [])]


def constant_rate() -> AbstractContextManager[Any]:
    """A schedule that is never moved on."""

    def other(old: Any) -> Callable[..., Any]:
        def step(self: Any, *args: Any, **named: Any) -> Any:
            return old(self, *args, **named) if not started(self) else None

        return step

    return replaced(*((kind, "step", other) for kind in schedulers()))


def started(scheduler: Any) -> bool:
    """Whether a scheduler's own first step is over."""
    return getattr(scheduler, "last_epoch", 0) >= 0 and not getattr(scheduler, "_is_initial", False)


def late_rate() -> AbstractContextManager[Any]:
    """A schedule that is one step behind."""
    skipped: set[int] = set()

    def other(old: Any) -> Callable[..., Any]:
        def step(self: Any, *args: Any, **named: Any) -> Any:
            if started(self) and id(self) not in skipped:
                skipped.add(id(self))
                return None
            return old(self, *args, **named)

        return step

    return replaced(*((kind, "step", other) for kind in schedulers()))


def early_rate() -> AbstractContextManager[Any]:
    """A schedule that is one step ahead from the start."""

    def other(old: Any) -> Callable[..., Any]:
        def begin(self: Any, *args: Any, **named: Any) -> None:
            old(self, *args, **named)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is moved on before the optimizer is
                self.step()

        return begin

    return replaced((LRScheduler, "__init__", other))


def wide_casts() -> AbstractContextManager[Any]:
    """Automatic mixed precision does nothing."""

    def other(old: Any) -> Callable[..., Any]:
        def begin(self: Any, *args: Any, **named: Any) -> None:
            old(self, *args, **{**named, "enabled": False})

        return begin

    return replaced((torch.amp.autocast_mode.autocast, "__init__", other))


def all_recorded() -> AbstractContextManager[Any]:
    """``no_grad`` stops no gradient."""
    return replaced((torch.no_grad, "__enter__", lambda _: lambda self: setattr(self, "prev", torch.is_grad_enabled())))


def whole_sequences() -> AbstractContextManager[Any]:
    """Sequences are packed as if all of them were as long as the longest that fits."""

    def other(old: Any) -> Callable[..., Any]:
        def pack(given: Any, _: Any, batch_first: bool = False, enforce_sorted: bool = True) -> Any:
            count, most = given.shape[0 if batch_first else 1], given.shape[1 if batch_first else 0]
            return old(given, torch.full((count,), most), batch_first, enforce_sorted)

        return pack

    return replaced((rnn, "pack_padded_sequence", other))


def whole_batches() -> AbstractContextManager[Any]:
    """A loader drops a last batch that is smaller."""

    def other(old: Any) -> Callable[..., Any]:
        def begin(self: Any, *args: Any, **named: Any) -> None:
            old(self, *args, **{**named, "drop_last": True})

        return begin

    return replaced((torch.utils.data.DataLoader, "__init__", other))


HABITS: tuple[Habit, ...] = (
    Habit("clipping left out", "clip-omitted", "clipped", "clip_grad_norm_", clipping(lambda _g, _m: None)),
    Habit("norm without 1e-6", "clip-global-norm-eps", "clipped", "clip_grad_norm_", clipping(by_exact_norm)),
    Habit("each gradient by itself", "clip-keras-clipnorm-per-variable", "clipped", "clip_grad_norm_", clipping(each_alone)),
    Habit("clipped by value", "clip-by-value-for-norm", "clipped", "clip_grad_norm_", clipping(by_value)),
    Habit("gradients never set to zero", "zero-grad-omitted", "grads", "zero_grad", accumulating),
    Habit("gradients always begin from zero", "zero-grad-omitted", "grads", "backward", fresh_gradients),
    Habit("called as in evaluation", "batchnorm-training-flag-omitted", "outputs", "batch norm", evaluating),
    Habit("called as in evaluation", "dropout-omitted", "outputs", "dropout", evaluating),
    Habit("eval() does nothing", "eval-mode-omitted", "outputs", "eval", modes(training=False)),
    Habit("train() does nothing", "batchnorm-eval-not-restored", "outputs", "train", modes(training=True)),
    Habit("the rate never changes", "schedule-omitted", "lr", "scheduler", constant_rate),
    Habit("the schedule is one step behind", "schedule-offset", "lr", "scheduler", late_rate),
    Habit("the schedule is one step ahead", "schedule-offset", "lr", "scheduler", early_rate),
    Habit("no automatic mixed precision", "bf16-autocast-vs-keras-mixed-policy", "outputs", "autocast", wide_casts),
    Habit("no_grad stops no gradient", "td-target-without-stop-gradient", "grads", "no_grad", all_recorded),
    Habit("lengths not given", "rnn-padded-last-hidden", "outputs", "pack_padded_sequence", whole_sequences),
    Habit("the model's input reshaped", "nchw-data-reshaped-to-nhwc", "outputs", "channels", reshaped_input),
    Habit("a smaller last batch is dropped", "drop-remainder-vs-drop-last", "batch", "DataLoader", whole_batches),
)  # fmt: skip
"""Every change of a loop, the commonest first."""


@contextmanager
def noticed(used: dict[str, str], path: Callable[[], str]) -> Iterator[None]:
    """Note which of the things that a habit needs are used, and of a kind of layer the path of the first.

    path: of the module that is being called.
    """

    def noting(name: str) -> Callable[[Any], Callable[..., Any]]:
        def make(old: Any) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                used.setdefault(name, "")
                return old(*args, **named)

            return call

        return make

    def mode(old: Any) -> Callable[..., Any]:
        def train(self: Any, mode: bool = True) -> Any:
            used.setdefault("train" if mode else "eval", "")
            return old(self, mode)

        return train

    def called(module: torch.nn.Module, given: Any) -> None:
        if module.training and isinstance(module, _NormBase):
            used.setdefault("batch norm", path())
        elif module.training and isinstance(module, _DropoutNd):
            used.setdefault("dropout", path())
        if isinstance(module, torch.nn.RNNBase) and used.get("pack_padded_sequence") == "":
            used["pack_padded_sequence"] = path()
        if given and channels(given[0]):
            used.setdefault("channels", "")

    hook = register_module_forward_pre_hook(called)
    with replaced(
        (clip_grad, "clip_grad_norm_", noting("clip_grad_norm_")),
        (torch.nn.utils, "clip_grad_norm_", noting("clip_grad_norm_")),
        (Optimizer, "zero_grad", noting("zero_grad")),
        (torch.nn.Module, "zero_grad", noting("zero_grad")),
        (torch.Tensor, "backward", noting("backward")),
        (torch.nn.Module, "train", mode),
        (LRScheduler, "__init__", noting("scheduler")),
        (ReduceLROnPlateau, "__init__", noting("scheduler")),
        (torch.amp.autocast_mode.autocast, "__init__", noting("autocast")),
        (torch.no_grad, "__enter__", noting("no_grad")),
        (torch.utils.data.DataLoader, "__init__", noting("DataLoader")),
        (rnn, "pack_padded_sequence", noting("pack_padded_sequence")),
    ):
        try:
            yield
        finally:
            hook.remove()
