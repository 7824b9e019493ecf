"""PyTorch's L-BFGS, which asks for the loss again and again within one step, with or without a line search."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from harness.faithful.arithmetic import as_complex, as_real
from harness.faithful.gradients import dense_gradient
from harness.faithful.torch_optimizer import at_least_zero
from harness.faithful.wolfe import strong_wolfe

__all__ = ["LBFGS"]

Closure = Callable[[], tuple[Any, Sequence[Any]]]
Array = np.ndarray[Any, Any]

STATE = ("func_evals", "n_iter", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class LBFGS:
    """`torch.optim.LBFGS`, for eager loops: `optimizer.build(variables)` once, and then `optimizer.step(closure)`.

    The closure takes no gradient of its own accord in TensorFlow, so it answers both, the loss and the list of its
    gradients in the order of `variables` (None for one that is not there, as zeros): `return loss, tape.gradient(...)`.
    The search itself runs in NumPy, in the variables' dtype, of which there may be one only; a complex variable is two
    real numbers. It is no optimizer of Keras', whose `apply` takes the gradients of one point.

    State has torch's names: `n_iter` and `func_evals` so far, the last direction `d` and step `t`, `old_dirs`,
    `old_stps` and `ro` (at most `history_size` each), `H_diag`, `prev_flat_grad` and `prev_loss`. Schedulers may move
    `lr`.
    """

    def __init__(
        self,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f'line_search_fn is {line_search_fn!r}; it is "strong_wolfe" or None')
        self.lr = at_least_zero("lr", lr)
        self.max_iter, self.max_eval = max_iter, max_iter * 5 // 4 if max_eval is None else max_eval
        self.tolerance_grad, self.tolerance_change = tolerance_grad, tolerance_change
        self.history_size, self.line_search_fn = history_size, line_search_fn
        self.variables: list[Any] = []
        self.func_evals = self.n_iter = 0
        self.d: Any = None
        self.t: Any = None
        self.old_dirs: list[Array] = []
        self.old_stps: list[Array] = []
        self.ro: list[Any] = []
        self.H_diag: Any = 1
        self.prev_flat_grad: Array | None = None
        self.prev_loss: float | None = None

    @property
    def learning_rate(self) -> float:
        """The rate under Keras' name."""
        return self.lr

    @learning_rate.setter
    def learning_rate(self, lr: float) -> None:
        self.lr = float(lr)

    def build(self, variables: Sequence[Any]) -> None:
        """Say what is trained; raises ValueError for several dtypes."""
        variables = list(variables)
        dtypes = sorted({tf.as_dtype(variable.dtype).real_dtype.name for variable in variables})
        if len(dtypes) != 1:
            raise ValueError(
                f"LBFGS makes one vector of all variables, of one dtype; got {', '.join(dtypes) or 'none'}"
            )
        self.variables = [
            getattr(variable, "value", variable) if hasattr(variable, "path") else variable for variable in variables
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a checkpoint needs beside the variables."""
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        for name in STATE:
            value = state_dict[name]
            setattr(self, name, list(value) if isinstance(value, list) else value)

    def step(self, closure: Closure) -> Any:
        """Search along up to `max_iter` directions; return the loss before the first."""
        if not self.variables:
            raise ValueError("LBFGS does not know what is trained; call build(variables) first")
        if not tf.executing_eagerly():
            raise TypeError(
                "LBFGS decides by the loss what to do next, which a tf.function cannot; trace the closure instead"
            )
        with np.errstate(all="ignore"):
            return self._step(closure)

    def _step(self, closure: Closure) -> Any:
        first, flat_grad = self._evaluated(closure)
        loss = float(first)
        evals = 1
        self.func_evals += 1
        if np.abs(flat_grad).max() <= self.tolerance_grad:
            return first
        done = 0
        while done < self.max_iter:
            done += 1
            self.n_iter += 1
            d = self.d = self._direction(flat_grad)
            self.prev_flat_grad, self.prev_loss = flat_grad.copy(), loss
            rate = self.lr
            self.t = min(1.0, 1.0 / np.abs(flat_grad).sum()) * rate if self.n_iter == 1 else rate
            slope = flat_grad.dot(d)
            if slope > -self.tolerance_change:
                break
            more = 0
            if self.line_search_fn is not None:
                start = [variable.numpy() for variable in self.variables]

                def at(t: Any, d: Any = d, start: Any = start) -> tuple[float, Array]:
                    self._move(t, d)
                    value, gradient = self._evaluated(closure)
                    for variable, array in zip(self.variables, start, strict=True):
                        variable.assign(array)
                    return float(value), gradient

                loss, flat_grad, self.t, more = strong_wolfe(
                    at, self.t, d, loss, flat_grad, slope, self.max_eval - evals
                )
                self._move(self.t, d)
            else:
                self._move(self.t, d)
                if done != self.max_iter:
                    value, flat_grad = self._evaluated(closure)
                    loss, more = float(value), 1
            evals += more
            self.func_evals += more
            if (
                done == self.max_iter
                or evals >= self.max_eval
                or np.abs(flat_grad).max() <= self.tolerance_grad
                or np.abs(d * self.t).max() <= self.tolerance_change
                or abs(loss - self.prev_loss) < self.tolerance_change
            ):
                break
        return first

    def _direction(self, flat_grad: Array) -> Array:
        """Minus the gradient at first; then what the kept steps make of it, by the two-loop recursion."""
        if self.n_iter == 1:
            self.old_dirs, self.old_stps, self.ro, self.H_diag = [], [], [], 1
            return -flat_grad
        y, s = flat_grad - self.prev_flat_grad, self.d * self.t
        ys = y.dot(s)
        if ys > 1e-10:
            if len(self.old_dirs) == self.history_size:
                for kept in (self.old_dirs, self.old_stps, self.ro):
                    kept.pop(0)
            self.old_dirs.append(y)
            self.old_stps.append(s)
            self.ro.append(1.0 / ys)
            self.H_diag = ys / y.dot(y)
        q, al = -flat_grad, [None] * len(self.ro)
        for i in reversed(range(len(self.ro))):
            al[i] = self.old_stps[i].dot(q) * self.ro[i]
            q = q - al[i] * self.old_dirs[i]
        d = q * self.H_diag
        for i in range(len(self.ro)):
            d = d + self.old_stps[i] * (al[i] - self.old_dirs[i].dot(d) * self.ro[i])
        return np.asarray(d)

    def _evaluated(self, closure: Closure) -> tuple[Any, Array]:
        """The loss and the gradients as one real vector."""
        answer = closure()
        if not isinstance(answer, tuple | list) or len(answer) != 2 or len(answer[1]) != len(self.variables):
            raise ValueError(
                "the closure of LBFGS answers (loss, gradients), with one gradient for each of the "
                f"{len(self.variables)} variables"
            )
        parts = []
        for variable, grad in zip(self.variables, answer[1], strict=True):
            dense = (
                tf.zeros_like(variable)
                if grad is None
                else dense_gradient(grad, variable.shape[0] if variable.shape else None)
            )
            if dense.shape != variable.shape or (dense.dtype.is_complex and not variable.dtype.is_complex):
                raise ValueError(f"a gradient of shape {dense.shape} and {dense.dtype.name} is none of {variable.name}")
            parts.append(as_real(tf.cast(dense, variable.dtype)).numpy().ravel())
        return answer[0], np.concatenate(parts)

    def _move(self, t: Any, d: Array) -> None:
        """Add t d to the variables."""
        offset = 0
        for variable in self.variables:
            old = as_real(tf.convert_to_tensor(variable)).numpy()
            new = old + old.dtype.type(t) * d[offset : offset + old.size].reshape(old.shape)
            variable.assign(as_complex(tf.constant(new)) if variable.dtype.is_complex else new)
            offset += old.size
