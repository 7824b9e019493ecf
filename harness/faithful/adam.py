"""PyTorch's Adam and its relatives as Keras optimizers: the same arguments, formula, order and state.

Each class names the page of PyTorch's documentation whose formula it follows. `xp` is where the formula runs (see
`arithmetic`); scalars stay in double precision until `xp.number` rounds them.
"""

from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.arithmetic import lerp
from harness.faithful.torch_optimizer import TorchOptimizer, above_zero, at_least_zero, filled, scalar_dtype

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SparseAdam"]

_serializable = keras.saving.register_keras_serializable(package="harness.faithful")


class _Betas(TorchOptimizer):
    """An optimizer with two decay rates, of which the first may move while training."""

    def __init__(self, lr: Any, betas: tuple[float, float], eps: float, **arguments: Any) -> None:
        if not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"betas are {tuple(betas)}; both must be at least 0 and below 1")
        super().__init__(lr, eps=at_least_zero("eps", eps), **arguments)
        self._arguments = (*self._arguments, "betas")
        self._moving["beta1"] = self._float64_variable(float(betas[0]), "beta1")
        self._beta2 = float(betas[1])
        # Which end `lerp` starts from is a matter of rounding, so the beta1 of construction may decide it for good.
        self._from_end = 1.0 - betas[0] >= 0.5

    @property
    def betas(self) -> tuple[float, float]:
        """Both decay rates; a scheduler may assign them, with the second as it is."""
        return float(self._moving["beta1"].numpy()), self._beta2

    @betas.setter
    def betas(self, betas: tuple[float, float]) -> None:
        if betas[1] != self._beta2:
            raise ValueError(f"beta2 is {self._beta2} for good; a step that is already traced would not see {betas[1]}")
        self._moving["beta1"].assign(float(betas[0]))

    def _moments(self, xp: Any, grad: Any, now: SimpleNamespace) -> tuple[Any, Any]:
        mean = lerp(now.exp_avg, grad, xp.number(1.0 - now.beta1), from_end=self._from_end)
        return mean, self._beta2 * now.exp_avg_sq + (1.0 - self._beta2) * grad * grad

    def _decayed(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> tuple[Any, Any]:
        if not now.decay:
            return param, grad
        if self.decoupled_weight_decay:
            return param * xp.number(1.0 - now.lr * now.decay), grad
        return param, grad + now.decay * param


@_serializable
class Adam(_Betas):
    """`torch.optim.Adam`: epsilon is added to the root of the corrected second moment.

    State: `step`, `exp_avg`, `exp_avg_sq` and, with `amsgrad`, `max_exp_avg_sq`, the largest uncorrected second moment
    so far. `weight_decay` is added to the gradient unless `decoupled_weight_decay` is set.
    """

    def __init__(
        self,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            lr,
            betas,
            eps,
            weight_decay=at_least_zero("weight_decay", weight_decay),
            amsgrad=amsgrad,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            name=name,
            others=others,
        )
        self.slots = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        param, grad = self._decayed(xp, param, grad, now)
        mean, square = self._moments(xp, grad, now)
        new = {"exp_avg": mean, "exp_avg_sq": square}
        if self.amsgrad:
            square = new["max_exp_avg_sq"] = xp.maximum(now.max_exp_avg_sq, square)
        root = xp.number((1.0 - self._beta2**now.step) ** 0.5)
        step_size = xp.number(now.lr / (1.0 - now.beta1**now.step))
        return {**new, "param": param - step_size * mean / (xp.sqrt(square) / root + self.eps)}


@_serializable
class AdamW(Adam):
    """`torch.optim.AdamW`: Adam after `param *= 1 - lr * weight_decay`. State as in `Adam`."""

    def __init__(
        self,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True, name=name, **others
        )
        self._arguments = tuple(name for name in self._arguments if name != "decoupled_weight_decay")


@_serializable
class NAdam(_Betas):
    """`torch.optim.NAdam`: Nesterov momentum whose factor grows with the step, by `momentum_decay`.

    State: `step`, `exp_avg`, `exp_avg_sq` and the scalar `mu_product`, of the default dtype.
    """

    slots = ("exp_avg", "exp_avg_sq", "mu_product")

    def __init__(
        self,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            lr,
            betas,
            eps,
            weight_decay=at_least_zero("weight_decay", weight_decay),
            momentum_decay=at_least_zero("momentum_decay", momentum_decay),
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            name=name,
            others=others,
        )

    def slot_form(self, name: str, variable: Any) -> dict[str, Any] | None:
        if name == "mu_product":
            return {"shape": (), "dtype": scalar_dtype(), "initializer": filled(1.0)}
        return super().slot_form(name, variable)

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        param, grad = self._decayed(xp, param, grad, now)
        mu = now.beta1 * (1.0 - 0.5 * 0.96 ** (now.step * self.momentum_decay))
        mu_next = now.beta1 * (1.0 - 0.5 * 0.96 ** ((now.step + 1.0) * self.momentum_decay))
        mu_product = now.mu_product * xp.like(mu, now.mu_product)
        product = xp.double(mu_product)
        mean, square = self._moments(xp, grad, now)
        root = xp.sqrt(square / xp.number(1.0 - self._beta2**now.step)) + self.eps
        param = param - xp.number(now.lr * (1.0 - mu) / (1.0 - product)) * grad / root
        param = param - xp.number(now.lr * mu_next / (1.0 - product * mu_next)) * mean / root
        return {"param": param, "exp_avg": mean, "exp_avg_sq": square, "mu_product": mu_product}


@_serializable
class RAdam(_Betas):
    """`torch.optim.RAdam`: plain momentum while the second moment rests on too few steps, rectified Adam after.

    State: `step`, `exp_avg`, `exp_avg_sq`.
    """

    slots = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            lr,
            betas,
            eps,
            weight_decay=at_least_zero("weight_decay", weight_decay),
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            name=name,
            others=others,
        )

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        param, grad = self._decayed(xp, param, grad, now)
        mean, square = self._moments(xp, grad, now)
        correction2 = 1.0 - self._beta2**now.step
        longest = 2.0 / (1.0 - self._beta2) - 1.0
        length = longest - 2.0 * now.step * self._beta2**now.step / correction2
        # Both branches are computed; below a length of 5 the rectification would be the root of a negative number.
        safe = xp.maximum(length, 5.0)
        rectification = ((safe - 4.0) * (safe - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * safe)) ** 0.5
        adaptive = xp.number(correction2**0.5) / (xp.sqrt(square) + self.eps)
        momentum = mean / xp.number(1.0 - now.beta1**now.step) * xp.number(now.lr)
        update = xp.where(length > 5.0, momentum * adaptive * xp.number(rectification), momentum)
        return {"param": param - update, "exp_avg": mean, "exp_avg_sq": square}


@_serializable
class Adamax(_Betas):
    """`torch.optim.Adamax`: epsilon is added to |gradient| before the maximum. State: `step`, `exp_avg`, `exp_inf`."""

    slots = ("exp_avg", "exp_inf")

    def __init__(
        self,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        decay = at_least_zero("weight_decay", weight_decay)
        super().__init__(lr, betas, eps, weight_decay=decay, maximize=maximize, name=name, others=others)

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        if now.decay:
            grad = grad + now.decay * param
        mean = lerp(now.exp_avg, grad, xp.number(1.0 - now.beta1), from_end=self._from_end)
        largest = xp.maximum(self._beta2 * now.exp_inf, xp.abs(grad) + self.eps)
        rate = xp.number(now.lr / (1.0 - now.beta1**now.step))
        return {"param": param - rate * mean / largest, "exp_avg": mean, "exp_inf": largest}


@_serializable
class SparseAdam(_Betas):
    """`torch.optim.SparseAdam`: Adam for embedding rows that leaves every row without a gradient alone.

    Takes `tf.IndexedSlices` only, as PyTorch's takes sparse gradients only. State: `step` (per variable, not per row),
    `exp_avg`, `exp_avg_sq`; the rows that do not occur in the batch neither decay nor move.
    """

    slots = ("exp_avg", "exp_avg_sq")
    takes_complex = False

    def __init__(
        self,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
        *,
        name: str | None = None,
        **others: Any,
    ) -> None:
        if isinstance(lr, int | float):
            above_zero("lr", lr)
        above_zero("eps", eps)
        super().__init__(lr, betas, eps, weight_decay=0.0, maximize=maximize, name=name, others=others)
        self._arguments = tuple(name for name in self._arguments if name != "weight_decay")

    def inputs(self, gradient: Any, variable: Any) -> dict[str, Any]:
        if not isinstance(gradient, tf.IndexedSlices):
            raise TypeError(f"the gradient of {variable.name} is dense; SparseAdam takes tf.IndexedSlices, Adam both")
        rows = variable.shape[0]
        times = tf.math.unsorted_segment_sum(tf.ones_like(gradient.indices), gradient.indices, rows)
        touched = tf.reshape(times > 0, [rows] + [1] * (variable.shape.rank - 1))
        return {**super().inputs(gradient, variable), "touched": touched}

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        mean = now.exp_avg + xp.number(1.0 - now.beta1) * (grad - now.exp_avg)
        square = now.exp_avg_sq + (1.0 - self._beta2) * (grad * grad - now.exp_avg_sq)
        step_size = xp.number(now.lr * (1.0 - self._beta2**now.step) ** 0.5 / (1.0 - now.beta1**now.step))
        moved = param - step_size * (mean / (xp.sqrt(square) + self.eps))
        return {
            "param": xp.where(now.touched, moved, param),
            "exp_avg": xp.where(now.touched, mean, now.exp_avg),
            "exp_avg_sq": xp.where(now.touched, square, now.exp_avg_sq),
        }
