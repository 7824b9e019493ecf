"""What the optimizers share: float64 scalars, a step count per variable, and torch's names for arguments and state."""

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.faithful.arithmetic import Graph, Host, runs_on_host
from harness.faithful.gradients import dense_gradient

__all__ = ["TorchOptimizer", "above_zero", "at_least_zero", "filled", "scalar_dtype"]

_Schedule = keras.optimizers.schedules.LearningRateSchedule

_HOW = {
    "foreach": "it says how PyTorch runs the formula, which is the same",
    "fused": "it says how PyTorch runs the formula, which is the same",
    "capturable": "it says where PyTorch keeps the step count, and tf.function needs no such thing",
    "differentiable": "no gradient passes through an update of variables",
}


class TorchOptimizer(keras.optimizers.Optimizer):
    """A Keras optimizer with PyTorch's arguments, arithmetic and state.

    Works wherever a Keras optimizer does: `apply`, `apply_gradients`, `compile` and `fit`, eager, `tf.function`, XLA,
    saved with its model. Where it differs from Keras' own optimizers it does what PyTorch does:

    - What may change while training (`lr`, also called `learning_rate`, and the momentum that `OneCycleLR` and
      `CyclicLR` move) is kept in float64 variables whatever `floatx` is, so that a traced step sees the change and a
      float64 run holds no float32. `lr` may be a Keras `LearningRateSchedule` instead.
    - State has PyTorch's names. Each name is a list of variables in the order of the trainable variables:
      `optimizer.exp_avg[i]` is `optimizer.state[p]["exp_avg"]` in PyTorch. There is no state beside these.
    - `optimizer.step[i]` counts the updates of one variable, a float64 scalar: a variable whose gradient is None is
      passed over, without a warning, and its count stands still.
    - An embedding id that occurs twice in a batch counts once, with the sum of its gradients.
    - A complex variable is two real numbers, each with moments of its own; its state is complex as it is.

    One optimizer is one parameter group. For groups with their own rate or decay build one optimizer per group, call
    `apply` of each with its own variables, and give each its own scheduler; for `compile` put them into a
    `keras.optimizers.OptimizerMap` by variable path and wrap that in `keras.optimizers.MultiOptimizer`. Each then
    serialises by itself, which variables inside a config could not. `exclude_from_weight_decay` works too, but like
    Keras' own it is not saved.

    PyTorch's `foreach`, `fused` and `capturable` say how the same formula is run, and are refused like `differentiable`.
    What is neither the rate nor a momentum cannot be assigned once there is state, because a step that is already traced
    would not see it.
    """

    # State per variable beside the step count; an instance may need fewer.
    slots: tuple[str, ...] = ()
    counts_steps = True
    takes_complex = True

    def __init__(
        self, lr: Any, *, name: str | None, maximize: bool, others: dict[str, Any] | None = None, **arguments: Any
    ) -> None:
        self._refuse(others or {})
        if callable(lr) and not isinstance(lr, _Schedule):
            raise TypeError(
                "lr is a function; give a number, a schedule of Keras, or a number and a scheduler like LambdaLR"
            )
        # A callable keeps Keras from creating its own variable for the rate, which would have the dtype of floatx.
        super().__init__(learning_rate=lr if isinstance(lr, _Schedule) else float, name=name)
        self._moving: dict[str, Any] = {}
        if not isinstance(lr, _Schedule):
            self._learning_rate = self._float64_variable(at_least_zero("lr", lr), "learning_rate")
        self.maximize = maximize
        self._arguments = ("maximize", *arguments)
        for argument, value in arguments.items():
            setattr(self, argument, value)

    def _refuse(self, others: dict[str, Any]) -> None:
        """Refuse the arguments of PyTorch's optimizers and of Keras' that are not those of this one."""
        name = type(self).__name__
        for argument, value in others.items():
            if argument not in _HOW:
                known = [own for own in inspect.signature(type(self)).parameters if own not in ("name", "others")]
                clip = "; clip gradients before they are applied, by clip_grad_norm or clip_grad_value"
                raise TypeError(f"{name} takes no {argument}, it takes {', '.join(known)}{clip * ('clip' in argument)}")
            if value:
                raise TypeError(f"{name} takes no {argument}: {_HOW[argument]}; leave it out")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if name in own.get("_arguments", ()) and name in own and own.get("built") and own[name] != value:
            raise ValueError(
                f"{name} is {own[name]} for good, because a step that is already traced would not see {value}; "
                "make another optimizer, or one for each group of variables"
            )
        super().__setattr__(name, value)

    def _float64_variable(self, value: float, name: str) -> Any:
        variable = self.add_variable(shape=(), dtype="float64", name=name, aggregation="only_first_replica")
        # Assigned, because Keras' Constant initializer rounds its value to float32.
        variable.assign(value)
        return variable

    @property
    def lr(self) -> Any:
        """The learning rate under torch's name: a float64 variable, or what the schedule gives for the next step."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def build(self, variables: Sequence[Any]) -> None:
        """Create the state for `variables`, whose order is the order of every list of state."""
        if self.built:
            return
        if not self.takes_complex:
            for variable in variables:
                if tf.as_dtype(variable.dtype).is_complex:
                    raise ValueError(
                        f"{type(self).__name__} takes no complex variables, nor does torch's: {variable.name}"
                    )
        super().build(variables)
        names = ("step", *self.slots) if self.counts_steps else self.slots
        for name in names:
            setattr(self, name, [self._slot(variable, name) for variable in variables])

    def state_of(self, variable: Any) -> dict[str, Any]:
        """Return what PyTorch keeps as `optimizer.state[p]`, by name; nothing before the first update or of a stranger."""
        index = self._trainable_variables_indices.get(self._var_key(variable)) if self.built else None
        names = ("step", *self.slots) if self.counts_steps else self.slots
        return {} if index is None else {name: getattr(self, name)[index] for name in names}

    def slot_form(self, name: str, variable: Any) -> dict[str, Any] | None:  # noqa: ARG002
        """Return in what the slot `name` differs from zeros like its variable: `shape`, `dtype`, `initializer`.

        One that has a shape is real. None stands for a slot that this variable has not.
        """
        return {"shape": (), "dtype": "float64"} if name == "step" else {}

    def _slot(self, variable: Any, name: str) -> Any:
        if getattr(variable, "overwrite_with_gradient", False):  # Keras 3.8 has no method that asks
            return None
        own = self.slot_form(name, variable)
        if own is None:
            return None
        dtype = tf.as_dtype(variable.dtype)
        form = {"shape": variable.shape, "dtype": (dtype.real_dtype if "shape" in own else dtype).name, **own}
        label = getattr(variable, "path", variable.name).replace("/", "_").replace(":", "_")
        with self._distribution_strategy.extended.colocate_vars_with(_raw(variable)):
            return self.add_variable(**form, name=f"{label}_{name}")

    def _filter_empty_gradients(self, grads: Any, vars: Any) -> tuple[list[Any], list[Any]]:  # noqa: A002
        # Keras warns about a missing gradient and refuses when all are missing; torch passes over them.
        present = [(g, v) for g, v in zip(grads, vars, strict=True) if g is not None]
        return [g for g, _ in present], [v for _, v in present]

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: decay is part of the formula, as in torch, and not a step before it."""

    def _backend_apply_gradients(self, grads: Any, trainable_variables: Any) -> None:
        variables = [_raw(variable) for variable in trainable_variables]
        scalars = {"lr": self.learning_rate, **self._moving}
        if runs_on_host(variables):
            scalars = {name: float(scalar.numpy()) for name, scalar in scalars.items()}
            with np.errstate(all="ignore"):
                for gradient, variable in zip(grads, variables, strict=True):
                    self._update(Host(variable.dtype), gradient, variable, scalars)
        else:
            scalars = {name: tf.cast(tf.convert_to_tensor(scalar), tf.float64) for name, scalar in scalars.items()}
            self._backend_update_step(grads, variables, scalars)

    def update_step(self, gradient: Any, variable: Any, learning_rate: dict[str, Any]) -> None:
        """Update one `tf.Variable` by TensorFlow's ops; `learning_rate` holds every moving scalar by name."""
        self._update(Graph(variable.dtype), gradient, variable, learning_rate)

    def _update(self, xp: Host | Graph, gradient: Any, variable: Any, scalars: dict[str, Any]) -> None:
        index = self._get_variable_index(variable)
        names = ("step", *self.slots) if self.counts_steps else self.slots
        slots = {name: slot.value for name in names if (slot := getattr(self, name)[index]) is not None}
        seen = {name: xp.tensor(tensor) for name, tensor in self.inputs(gradient, variable).items()}
        now = SimpleNamespace(**scalars, **{name: xp.read(slot) for name, slot in slots.items()}, **seen)
        now.decay = self.weight_decay if self.weight_decay and self._use_weight_decay(variable) else 0.0
        if self.counts_steps:
            now.step = xp.double(now.step) + 1.0
        new = self.formula(xp, xp.read(variable), -now.grad if self.maximize else now.grad, now)
        for name, slot in slots.items():
            xp.write(slot, now.step if name == "step" else new[name])
        xp.write(variable, new["param"])

    def inputs(self, gradient: Any, variable: Any) -> dict[str, Any]:
        """Return the tensors that the formula needs of the gradient: `grad`, dense, of the variable's dtype."""
        if isinstance(gradient, tf.IndexedSlices):
            gradient = dense_gradient(gradient, rows=variable.shape[0])
        if not variable.shape.is_compatible_with(gradient.shape):
            raise ValueError(f"the gradient of {variable.name} has shape {gradient.shape}, not {variable.shape}")
        if gradient.dtype.is_complex and not variable.dtype.is_complex:
            raise ValueError(f"the gradient of {variable.name} is complex, and the variable is {variable.dtype.name}")
        return {"grad": gradient if gradient.dtype == variable.dtype else tf.cast(gradient, variable.dtype)}

    def formula(self, xp: Any, param: Any, grad: Any, now: SimpleNamespace) -> dict[str, Any]:
        """Return the new `param` and the new value of each of `slots`, computed with `xp`.

        `grad` has param's shape and dtype and is to be descended. `now` holds, by name, the slots, the moving scalars
        in double precision, the `step` being made (1 for the first) and the variable's weight `decay`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as plain numbers with their present values."""
        rate = self._learning_rate
        lr = keras.optimizers.schedules.serialize(rate) if isinstance(rate, _Schedule) else float(rate.numpy())
        return {"name": self.name, "lr": lr, **{argument: getattr(self, argument) for argument in self._arguments}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "TorchOptimizer":
        """Build the optimizer that `get_config` described; its state starts afresh."""
        lr = config["lr"]
        if isinstance(lr, dict):
            lr = keras.saving.deserialize_keras_object(lr, custom_objects=custom_objects)
        return cls(**{**config, "lr": lr})


def scalar_dtype() -> str:
    """Return the dtype of the numbers that an optimizer keeps: float64 if that is the default dtype, else float32."""
    return "float64" if keras.config.floatx() == "float64" else "float32"


def _raw(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def above_zero(name: str, value: float) -> float:
    """Return `value` as a float, or say that torch would refuse it."""
    if not value > 0.0:
        raise ValueError(f"{name} is {value}; it must be above 0")
    return float(value)


def at_least_zero(name: str, value: float) -> float:
    """Return `value` as a float, or say that torch would refuse it."""
    if not value >= 0.0:
        raise ValueError(f"{name} is {value}; it must be at least 0")
    return float(value)


def filled(value: float) -> Callable[..., Any]:
    """Return an initializer for slots that start at `value`, exact in float64 (Keras' Constant is not).

    A complex slot starts at it in both parts.
    """

    def initializer(shape: Any, dtype: Any) -> Any:
        start = complex(value, value) if tf.as_dtype(dtype).is_complex else value
        return tf.fill(shape, tf.constant(start, dtype))

    return initializer
