"""PyTorch's Adafactor, whose second moment is kept by rows and columns, and whose step is relative to the parameter."""

import math
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.faithful.torch_optimizer import TorchOptimizer, at_least_zero

__all__ = ["Adafactor"]


@keras.saving.register_keras_serializable(package="harness.faithful")
class Adafactor(TorchOptimizer):
    """`torch.optim.Adafactor`: epsilon 1 bounds the variance, and not the squared gradient as elsewhere.

    State: `step`; of variables with two axes or more `row_var` and `col_var`, means over the last axis and over the one
    before, of others `variance`; what a variable has not is None in the list. A kernel of Keras' Dense has torch's rows
    for columns, to the same effect; a kernel of more axes is refused, because its last two are not torch's, which the
    layers of this package have. An epsilon 1 of None is the
    smallest relative step of the variable's dtype, in float64 another than in float32.
    """

    slots = ("row_var", "col_var", "variance")
    takes_complex = False

    def __init__(
        self,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        name: str | None = None,
        **others: Any,
    ) -> None:
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay is {beta2_decay}; it must be at most 0")
        if not d >= 1.0:
            raise ValueError(f"d is {d}; it must be at least 1")
        first = None if eps[0] is None else at_least_zero("the first eps", eps[0])
        super().__init__(
            lr,
            beta2_decay=float(beta2_decay),
            eps=(first, at_least_zero("the second eps", eps[1])),
            d=float(d),
            weight_decay=at_least_zero("weight_decay", weight_decay),
            maximize=maximize,
            name=name,
            others=others,
        )

    def build(self, variables: Any) -> None:
        """Create the state.

        Raises ValueError for kernels of more than two axes, and for several dtypes without an epsilon: torch would take
        that of one of them for all.
        """
        for variable in variables:
            if len(variable.shape) > 2 and "kernel" in variable.name:
                raise ValueError(
                    f"{variable.name} of shape {tuple(variable.shape)} may lie as Keras has it, and Adafactor keeps means over "
                    "the last two axes of torch's weight; make it a variable in torch's order, and transpose that in the layer"
                )
        if self.eps[0] is None and len({tf.as_dtype(variable.dtype) for variable in variables}) > 1:
            raise ValueError(
                "variables of several dtypes share no epsilon; give eps=(number, ...), or an optimizer to each"
            )
        super().build(variables)

    def slot_form(self, name: str, variable: Any) -> dict[str, Any] | None:
        shape = list(variable.shape)
        if name == "step":
            return super().slot_form(name, variable)
        if (name == "variance") == (len(shape) > 1):
            return None
        if name != "variance":
            shape[-1 if name == "row_var" else -2] = 1
        return {"shape": tuple(shape)}

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        eps1, eps2 = self.eps
        if eps1 is None:
            dtype = tf.as_dtype(param.dtype)
            eps1 = 2.0**-7 if dtype == tf.bfloat16 else float(np.finfo(dtype.as_numpy_dtype).eps)
        root = math.sqrt(math.prod(param.shape))
        # 1 - beta2: the weight of the new value, which is the larger one in the first steps.
        share = now.step**self.beta2_decay

        def moved(old: Any, new: Any) -> Any:
            near, far = old + xp.number(share) * (new - old), new - (new - old) * xp.number(1.0 - share)
            return xp.where(share >= 0.5, far, near)

        def norm(tensor: Any) -> Any:
            return xp.double(xp.sqrt(xp.sum(tensor * tensor)))

        rate = xp.maximum(norm(param) / root, eps2) * xp.minimum(now.lr, now.step**-0.5)
        if now.decay:
            param = param * xp.number(1.0 - now.lr * now.decay)
        square = grad * grad
        if len(param.shape) > 1:
            rows, columns = param.shape[-2:]
            row = moved(now.row_var, xp.sum(square, axis=-1, keepdims=True) / columns)
            column = moved(now.col_var, xp.sum(square, axis=-2, keepdims=True) / rows)
            variance = row * column / xp.maximum(xp.sum(row, axis=-2, keepdims=True) / rows, xp.number(eps1))
            state = {"row_var": row, "col_var": column}
        else:
            variance = moved(now.variance, square)
            state = {"variance": variance}
        update = grad / xp.sqrt(xp.maximum(variance, xp.number(eps1 * eps1)))
        return {**state, "param": param - xp.number(rate / xp.maximum(norm(update) / (root * self.d), 1.0)) * update}
