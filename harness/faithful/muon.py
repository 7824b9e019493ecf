"""PyTorch's Muon: the momentum of a matrix, made orthogonal by a few Newton-Schulz steps in bfloat16."""

import math
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.arithmetic import lerp
from harness.faithful.optimizers import Momentum
from harness.faithful.torch_optimizer import at_least_zero

__all__ = ["Muon"]

SHORT = "bfloat16"
"""In what the Newton-Schulz steps are computed, whatever the variable's dtype: so torch does."""

ADJUSTMENTS = (None, "original", "match_rms_adamw")


@keras.saving.register_keras_serializable(package="harness.faithful")
class Muon(Momentum):
    """`torch.optim.Muon`, for variables of two axes. State: `momentum_buffer`.

    "original" and None multiply the rate by sqrt(max(1, rows / columns)) of *torch's* matrix, rows being its outputs. A
    kernel of Keras' Dense lies the other way round: say `transposed=True` for such. A variable called "kernel" is
    refused with a ValueError if `transposed` is not said.
    The Newton-Schulz steps round to bfloat16 as torch's do, products being added up in float32; on large matrices two
    orders of adding up part by a bfloat16 unit now and then, and XLA may leave roundings out.
    """

    slots = ("momentum_buffer",)
    counts_steps = False
    takes_complex = False

    def __init__(
        self,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        transposed: bool | None = None,
        name: str | None = None,
        **others: Any,
    ) -> None:
        if adjust_lr_fn not in ADJUSTMENTS:
            raise ValueError(f'adjust_lr_fn is {adjust_lr_fn!r}; it is "original" or "match_rms_adamw"')
        if len(ns_coefficients) != 3:
            raise ValueError(f"ns_coefficients are {tuple(ns_coefficients)}; three are needed")
        if ns_steps >= 100:
            raise ValueError(f"ns_steps is {ns_steps}; it must be below 100")
        super().__init__(
            lr,
            momentum,
            weight_decay=at_least_zero("weight_decay", weight_decay),
            nesterov=nesterov,
            ns_coefficients=tuple(ns_coefficients),
            eps=float(eps),
            ns_steps=int(ns_steps),
            adjust_lr_fn=adjust_lr_fn,
            transposed=transposed,
            maximize=False,
            name=name,
            others=others,
        )
        self._arguments = tuple(name for name in self._arguments if name != "maximize")
        # Which end `lerp` starts from is a matter of rounding, so the momentum of construction may decide it for good.
        self._large = momentum >= 0.5, 1.0 - momentum >= 0.5

    def build(self, variables: Any) -> None:
        """Create the state; raises ValueError for what is no matrix."""
        for variable in variables:
            if self.transposed is None and "kernel" in variable.name:
                raise ValueError(
                    f"{variable.name} may lie as Keras has it, inputs first, and Muon scales by torch's rows, which are "
                    "outputs; give transposed=True for kernels of Dense, transposed=False if it lies as in torch"
                )
            if len(variable.shape) != 2:
                raise ValueError(
                    f"Muon takes matrices, and {variable.name} has shape {tuple(variable.shape)}; AdamW takes all"
                )
        super().build(variables)

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        momentum = xp.number(now.momentum)
        buffer = lerp(now.momentum_buffer, grad, xp.number(1.0 - now.momentum), from_end=self._large[1])
        update = lerp(grad, buffer, momentum, from_end=self._large[0]) if self.nesterov else buffer
        turn = tf.transpose if self.transposed else tf.identity
        update = turn(orthogonal(turn(update), self.ns_coefficients, self.ns_steps, self.eps))
        rows, columns = reversed(param.shape) if self.transposed else param.shape
        ratio = math.sqrt(max(1.0, rows / columns))
        if self.adjust_lr_fn == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        # Torch shrinks the parameter even where the decay is 0, which changes nothing.
        param = param * xp.number(1.0 - now.lr * now.decay)
        return {"param": param - xp.number(now.lr * ratio) * xp.tensor(update), "momentum_buffer": buffer}


def orthogonal(matrix: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """The matrix with its singular values brought near 1: Keller Jordan's quintic iteration, as torch rounds it."""
    dtype = matrix.dtype
    short = dtype if SHORT == "exact" else tf.dtypes.as_dtype(SHORT)
    wide = dtype if SHORT == "exact" else tf.float32

    def rounded(tensor: Any) -> Any:
        return tf.cast(tf.cast(tensor, short), wide)

    a, b, c = (tf.constant(number, wide) for number in coefficients)
    flipped = matrix.shape[0] > matrix.shape[1]
    x = rounded(tf.transpose(matrix) if flipped else matrix)
    norm = rounded(tf.sqrt(tf.reduce_sum(x * x)))
    x = rounded(x / tf.maximum(norm, rounded(tf.constant(eps, wide))))
    for _ in range(steps):
        gram = rounded(tf.matmul(x, x, transpose_b=True))
        update = rounded(b * gram + c * tf.matmul(gram, gram))
        x = rounded(a * x + tf.matmul(update, x))
    return tf.cast(tf.transpose(x) if flipped else x, dtype)
