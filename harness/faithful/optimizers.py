"""PyTorch's optimizers as Keras optimizers: the same arguments, the same formula in the same order, the same state."""

from typing import Any, ClassVar

import keras
import tensorflow as tf

from harness.faithful.torch_optimizer import TorchOptimizer, lerp

__all__ = ["Adam", "AdamW"]

_PACKAGE = "harness.faithful"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Adam(TorchOptimizer):
    """Adam as on the page `torch.optim.Adam`: epsilon is added to the root of the corrected second moment.

    State: `step` (scalars), `exp_avg`, `exp_avg_sq` and, with `amsgrad`, `max_exp_avg_sq` (the largest uncorrected
    second moment so far). `weight_decay` is added to the gradient unless `decoupled_weight_decay` is set.
    """

    arguments: ClassVar[tuple[str, ...]] = (
        "betas",
        "eps",
        "weight_decay",
        "amsgrad",
        "maximize",
        "decoupled_weight_decay",
    )

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
    ) -> None:
        super().__init__(lr, name=name)
        self._beta1 = self._scalar(float(betas[0]), "beta1")
        self._beta2 = float(betas[1])
        self._from_end = betas[0] <= 0.5
        self.eps = float(eps)
        self.weight_decay = float(weight_decay)
        self.amsgrad = amsgrad
        self.maximize = maximize
        self.decoupled_weight_decay = decoupled_weight_decay
        self.slots = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if amsgrad else ("exp_avg", "exp_avg_sq")

    @property
    def betas(self) -> tuple[float, float]:
        """The two decay rates; assigning changes the first, which is what torch's schedulers cycle."""
        return float(self._beta1.numpy()), self._beta2

    @betas.setter
    def betas(self, betas: tuple[float, float]) -> None:
        if betas[1] != self._beta2:
            raise ValueError(f"beta2 is {self._beta2} for good; {betas[1]} would not reach a traced step")
        self._beta1.assign(float(betas[0]))

    def scalars(self) -> dict[str, Any]:
        return {**super().scalars(), "beta1": tf.convert_to_tensor(self._beta1)}

    def update(self, index: int, variable: Any, gradient: Any, *, lr: Any, beta1: Any) -> None:
        dtype = variable.dtype
        step = self.count(index)
        param = variable
        if self.decays(variable):
            if self.decoupled_weight_decay:
                param = param * tf.cast(1.0 - lr * self.weight_decay, dtype)
            else:
                gradient = gradient + self.weight_decay * param
        exp_avg = self.exp_avg[index].value
        mean = lerp(exp_avg, gradient, tf.cast(1.0 - beta1, dtype), from_end=self._from_end)
        exp_avg.assign(mean, read_value=False)
        exp_avg_sq = self.exp_avg_sq[index].value
        square = exp_avg_sq * self._beta2 + (1.0 - self._beta2) * gradient * gradient
        exp_avg_sq.assign(square, read_value=False)
        if self.amsgrad:
            largest = self.max_exp_avg_sq[index].value
            square = tf.maximum(largest, square)
            largest.assign(square, read_value=False)
        correction1 = 1.0 - beta1**step
        correction2 = 1.0 - self._beta2**step
        denominator = tf.sqrt(square) / tf.cast(tf.sqrt(correction2), dtype) + self.eps
        variable.assign(param - tf.cast(lr / correction1, dtype) * mean / denominator, read_value=False)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class AdamW(Adam):
    """Adam with decoupled weight decay, as on the page `torch.optim.AdamW`: first `p *= 1 - lr * weight_decay`."""

    arguments: ClassVar[tuple[str, ...]] = ("betas", "eps", "weight_decay", "amsgrad", "maximize")

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
    ) -> None:
        super().__init__(
            lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True, name=name
        )
