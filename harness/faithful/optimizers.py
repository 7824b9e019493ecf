"""PyTorch's optimizers as Keras optimizers: the same arguments, the same formula in the same order, the same state.

Each class names the page of PyTorch's documentation whose formula it follows. `xp` is where the formula runs (see
`arithmetic`); scalars stay in double precision until `xp.number` rounds them.
"""

from types import SimpleNamespace
from typing import Any

import keras

from harness.faithful.arithmetic import lerp
from harness.faithful.torch_optimizer import TorchOptimizer, at_least_zero, filled, scalar_dtype

__all__ = ["ASGD", "SGD", "Adadelta", "Adagrad", "Momentum", "RMSprop", "Rprop"]

_serializable = keras.saving.register_keras_serializable(package="harness.faithful")


class Momentum(TorchOptimizer):
    """An optimizer whose `momentum` may move while training."""

    def __init__(self, lr: Any, momentum: float, **arguments: Any) -> None:
        super().__init__(lr, **arguments)
        self._arguments = (*self._arguments, "momentum")
        self._moving["momentum"] = self._float64_variable(at_least_zero("momentum", momentum), "momentum")
        self._has_momentum = momentum != 0.0

    @property
    def momentum(self) -> float:
        """The momentum; a scheduler may assign it, unless it was 0 at first and there is no buffer for it."""
        return float(self._moving["momentum"].numpy())

    @momentum.setter
    def momentum(self, momentum: float) -> None:
        if not self._has_momentum or not momentum > 0.0:
            raise ValueError(f"momentum cannot change from {self.momentum} to {momentum}: 0 means no momentum for good")
        self._moving["momentum"].assign(float(momentum))


@_serializable
class SGD(Momentum):
    """`torch.optim.SGD`: the rate multiplies the momentum buffer when it is used, not what goes into it.

    State: `momentum_buffer` if `momentum` is not 0. The first gradient enters it whole, whatever `dampening` is; only
    with dampening is there a `step` count to tell that first update by.
    """

    def __init__(
        self,
        lr: Any = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        if nesterov and (momentum <= 0.0 or dampening != 0.0):
            raise ValueError(f"nesterov needs a momentum and no dampening; they are {momentum} and {dampening}")
        super().__init__(
            lr,
            momentum,
            dampening=float(dampening),
            weight_decay=at_least_zero("weight_decay", weight_decay),
            nesterov=nesterov,
            maximize=maximize,
            name=name,
            others=others,
        )
        self.slots = ("momentum_buffer",) if self._has_momentum else ()
        # Without dampening a buffer of zeros takes the first gradient whole by itself.
        self.counts_steps = self._has_momentum and dampening != 0.0

    def state_of(self, variable: Any) -> dict[str, Any]:
        state = super().state_of(variable)
        return {name: state[name] for name in self.slots if state}  # PyTorch's SGD has no step count

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        lr, momentum = xp.number(now.lr), xp.number(now.momentum)
        if now.decay:
            grad = grad + now.decay * param
        if not self.slots:
            return {"param": param - lr * grad}
        buffer = momentum * now.momentum_buffer + (1.0 - self.dampening) * grad
        if self.counts_steps:
            buffer = xp.where(now.step == 1.0, grad, buffer)
        grad = grad + momentum * buffer if self.nesterov else buffer
        return {"param": param - lr * grad, "momentum_buffer": buffer}


@_serializable
class RMSprop(Momentum):
    """`torch.optim.RMSprop`: epsilon is added to the root, and the rate multiplies the momentum buffer when it is used.

    State: `square_avg`, with `momentum` also `momentum_buffer`, if `centered` also `grad_avg`.
    """

    def __init__(
        self,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            lr,
            momentum,
            alpha=at_least_zero("alpha", alpha),
            eps=at_least_zero("eps", eps),
            weight_decay=at_least_zero("weight_decay", weight_decay),
            centered=centered,
            maximize=maximize,
            name=name,
            others=others,
        )
        self.slots = (
            "square_avg",
            *(("momentum_buffer",) if self._has_momentum else ()),
            *(("grad_avg",) if centered else ()),
        )

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        if now.decay:
            grad = grad + now.decay * param
        new = {"square_avg": self.alpha * now.square_avg + (1.0 - self.alpha) * grad * grad}
        if self.centered:
            new["grad_avg"] = lerp(now.grad_avg, grad, 1.0 - self.alpha, from_end=self.alpha <= 0.5)
            root = xp.sqrt(new["square_avg"] - new["grad_avg"] * new["grad_avg"]) + self.eps
        else:
            root = xp.sqrt(new["square_avg"]) + self.eps
        lr = xp.number(now.lr)
        if self._has_momentum:
            new["momentum_buffer"] = xp.number(now.momentum) * now.momentum_buffer + grad / root
            return {**new, "param": param - lr * new["momentum_buffer"]}
        return {**new, "param": param - lr * grad / root}


@_serializable
class Adagrad(TorchOptimizer):
    """`torch.optim.Adagrad`: epsilon is added to the root; the rate falls as `lr / (1 + (step - 1) * lr_decay)`.

    State: `step`, `sum`.
    """

    slots = ("sum",)

    def __init__(
        self,
        lr: Any = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            lr,
            lr_decay=at_least_zero("lr_decay", lr_decay),
            weight_decay=at_least_zero("weight_decay", weight_decay),
            initial_accumulator_value=at_least_zero("initial_accumulator_value", initial_accumulator_value),
            eps=at_least_zero("eps", eps),
            maximize=maximize,
            name=name,
            others=others,
        )

    def slot_form(self, name: str, variable: Any) -> dict[str, Any] | None:
        if name == "sum":
            return {"initializer": filled(self.initial_accumulator_value)}
        return super().slot_form(name, variable)

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        if now.decay:
            grad = grad + now.decay * param
        rate = xp.number(now.lr / (1.0 + (now.step - 1.0) * self.lr_decay))
        total = now.sum + grad * grad
        return {"param": param - rate * grad / (xp.sqrt(total) + self.eps), "sum": total}


@_serializable
class Adadelta(TorchOptimizer):
    """`torch.optim.Adadelta`: epsilon is added inside both roots. State: `step`, `square_avg`, `acc_delta`."""

    slots = ("square_avg", "acc_delta")

    def __init__(
        self,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"rho is {rho}; it must lie between 0 and 1")
        super().__init__(
            lr,
            rho=at_least_zero("rho", rho),
            eps=at_least_zero("eps", eps),
            weight_decay=at_least_zero("weight_decay", weight_decay),
            maximize=maximize,
            name=name,
            others=others,
        )

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        if now.decay:
            grad = grad + now.decay * param
        square = self.rho * now.square_avg + (1.0 - self.rho) * grad * grad
        delta = xp.sqrt(now.acc_delta + self.eps) / xp.sqrt(square + self.eps) * grad
        accumulated = self.rho * now.acc_delta + (1.0 - self.rho) * delta * delta
        return {"param": param - xp.number(now.lr) * delta, "square_avg": square, "acc_delta": accumulated}


@_serializable
class ASGD(TorchOptimizer):
    """`torch.optim.ASGD`: averaged SGD.

    State: `step`, `ax` (the average), and the scalars `eta` and `mu`, of the default dtype.
    """

    slots = ("eta", "mu", "ax")

    def __init__(
        self,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            lr,
            lambd=float(lambd),
            alpha=float(alpha),
            t0=float(t0),
            weight_decay=at_least_zero("weight_decay", weight_decay),
            maximize=maximize,
            name=name,
            others=others,
        )

    def slot_form(self, name: str, variable: Any) -> dict[str, Any] | None:
        if name == "mu":
            return {"shape": (), "dtype": scalar_dtype(), "initializer": filled(1.0)}
        return {"shape": (), "dtype": scalar_dtype()} if name == "eta" else super().slot_form(name, variable)

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        if now.decay:
            grad = grad + now.decay * param
        # eta starts at the rate of the first update and is one update behind afterwards.
        eta = xp.double(xp.where(now.step == 1.0, xp.like(now.lr, now.eta), now.eta))
        param = param * xp.number(1.0 - self.lambd * eta) - xp.number(eta) * grad
        average = xp.where(now.mu == 1.0, param, now.ax + (param - now.ax) * xp.number(now.mu))
        next_eta = now.lr / (1.0 + self.lambd * now.lr * now.step) ** self.alpha
        next_mu = 1.0 / xp.maximum(now.step - self.t0, 1.0)
        return {"param": param, "ax": average, "eta": xp.like(next_eta, now.eta), "mu": xp.like(next_mu, now.mu)}


@_serializable
class Rprop(TorchOptimizer):
    """`torch.optim.Rprop`: only the gradient's sign counts. State: `step`, `prev` (gradient), `step_size`."""

    slots = ("prev", "step_size")

    def __init__(
        self,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"etas are {tuple(etas)}; the first must lie between 0 and 1, the second above 1")
        super().__init__(
            lr, etas=tuple(etas), step_sizes=tuple(step_sizes), maximize=maximize, name=name, others=others
        )

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        size = xp.where(now.step == 1.0, xp.number(now.lr), now.step_size)
        direction = xp.sign(grad * now.prev)
        smaller, larger = (xp.number(eta) for eta in self.etas)
        factor = xp.where(direction > 0.0, larger, xp.where(direction < 0.0, smaller, xp.number(1.0)))
        size = xp.clip(size * factor, *(xp.number(bound) for bound in self.step_sizes))
        # After a change of sign the step is left out, and the next gradient has nothing to be compared with.
        grad = xp.where(direction < 0.0, xp.number(0.0), grad)
        return {"param": param - xp.sign(grad) * size, "prev": grad, "step_size": size}
