"""What every optimizer here shares: float64 scalars, a step count per variable, torch's names for its state.

PyTorch keeps its hyperparameters and everything that it computes from them (a rate over a bias correction, say) in
double precision and rounds the result to the tensor's dtype where it meets the tensor. So do these optimizers: what
may change while training (the rate, and the momentum that `OneCycleLR` and `CyclicLR` move) lives in float64
variables, and Python numbers only ever meet float64 scalars or the tensor itself. `tf.cast(0.9, tf.float64)` and
`keras.ops.cast` never see a Python number, because both would round it to float32 on the way.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from harness.faithful.gradients import dense_gradient

__all__ = ["TorchOptimizer", "lerp"]


def lerp(start: Any, end: Any, weight: Any, *, from_end: bool) -> Any:
    """Interpolate as `torch.lerp` does: from the nearer end, which `from_end` (weight >= 0.5) names."""
    return end - (end - start) * (1.0 - weight) if from_end else start + weight * (end - start)


class TorchOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc]  # keras is untyped
    """A Keras optimizer with PyTorch's arguments, arithmetic and state.

    Works wherever a Keras optimizer does: `apply`, `apply_gradients`, `compile` and `fit`, eager, `tf.function`, XLA,
    saved with its model. Differences from Keras' own optimizers, all of them PyTorch's behaviour:

    - `lr` (also reachable as `learning_rate`) is kept in float64 whatever `floatx` is. It may be a Keras
      `LearningRateSchedule`, and may be assigned at any time, also after tracing.
    - The state has PyTorch's names and is a list of variables in the order of the trainable variables, so
      `optimizer.exp_avg[i]` stands beside `optimizer.state[p]["exp_avg"]`. `optimizer.step[i]` counts the updates of
      one variable: a variable without gradient is skipped silently and its count stands still.
    - A repeated embedding id counts once, with the sum of its gradients.

    One optimizer is one parameter group. For groups with their own rate or decay build one optimizer per group, call
    each `apply` with its own variables and give each its own scheduler; in `compile` wrap them in
    `keras.optimizers.MultiOptimizer`. Each then serialises by itself, which variables inside a config cannot.
    `exclude_from_weight_decay` works too, but like Keras' own it is not saved.
    """

    # Per-variable state beside the step count, in torch's spelling; a subclass names what its formula needs.
    slots: tuple[str, ...] = ()
    # Whether the formula needs a count of updates per variable.
    counts_steps: bool = True
    # Constructor arguments that get_config repeats as they were given.
    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(self, lr: Any, *, name: str | None = None) -> None:
        is_schedule = isinstance(lr, keras.optimizers.schedules.LearningRateSchedule)
        # A callable keeps Keras from creating its own variable, which would have the dtype of floatx.
        super().__init__(learning_rate=lr if is_schedule else float, name=name)
        if not is_schedule:
            if float(lr) < 0.0:
                raise ValueError(f"lr is {lr}; a learning rate is at least 0")
            self._learning_rate = self._scalar(float(lr), "learning_rate")

    def _scalar(self, value: float, name: str) -> Any:
        variable = self.add_variable(shape=(), dtype="float64", name=name, aggregation="only_first_replica")
        # Assigned, because Keras' Constant initializer rounds its value to float32.
        variable.assign(value)
        return variable

    @property
    def lr(self) -> Any:
        """The learning rate, under torch's name."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def build(self, variables: Sequence[Any]) -> None:
        """Create the state for `variables`, whose order fixes the order of every list of state."""
        if self.built:
            return
        super().build(variables)
        if self.counts_steps:
            self.step = [self._slot(variable, "step", shape=(), dtype="float64") for variable in variables]
        for slot in self.slots:
            setattr(self, slot, [self._slot(variable, slot, **self.slot_form(slot)) for variable in variables])

    def slot_form(self, slot: str) -> dict[str, Any]:
        """Return what differs from "zeros like the variable" for `slot`: `shape`, or the `initializer`."""
        del slot
        return {}

    def _slot(self, variable: Any, name: str, **form: Any) -> Any:
        if self._overwrite_variable_with_gradient(variable):
            return None
        if not form:
            return self.add_variable_from_reference(variable, name=name)
        shape = form.get("shape", variable.shape)
        label = getattr(variable, "path", variable.name).replace("/", "_").replace(":", "_")
        return self.add_variable(
            shape=shape,
            dtype=form.get("dtype", variable.dtype),
            initializer=form.get("initializer", "zeros"),
            name=f"{label}_{name}",
        )

    def _filter_empty_gradients(self, grads: Any, variables: Any) -> tuple[list[Any], list[Any]]:
        # Keras warns about a missing gradient and refuses when all are missing; torch's step passes over them.
        present = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        return [g for g, _ in present], [v for _, v in present]

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: decay is part of each formula, as in torch, and not a step before it."""

    def _backend_apply_gradients(self, grads: Any, trainable_variables: Any) -> None:
        scalars = self.scalars()
        if tf.distribute.has_strategy():
            self._backend_update_step(grads, trainable_variables, scalars)
            return
        # Without a strategy the merge and update calls only cost time.
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            raw = variable.value if isinstance(variable, keras.Variable) else variable
            self.update_step(gradient, raw, scalars)

    def scalars(self) -> dict[str, Any]:
        """Return what is read once per `apply`: float64 scalar tensors by name, `lr` among them."""
        return {"lr": tf.cast(tf.convert_to_tensor(self.learning_rate), tf.float64)}

    def update_step(self, gradient: Any, variable: Any, learning_rate: dict[str, Any]) -> None:
        """Update one variable; Keras' name for it. `learning_rate` is the result of `scalars`."""
        index = self._get_variable_index(variable)
        gradient = dense_gradient(gradient)
        if gradient.dtype != variable.dtype:
            gradient = tf.cast(gradient, variable.dtype)
        self.update(index, variable, -gradient if self.maximize else gradient, **learning_rate)

    def update(self, index: int, variable: Any, gradient: Any, **scalars: Any) -> None:
        """Apply the formula to the variable at `index`: `gradient` is dense, of its dtype, and to be descended."""
        raise NotImplementedError

    def count(self, index: int) -> Any:
        """Advance the step count of the variable at `index` and return it, a float64 scalar."""
        return self.step[index].value.assign_add(1.0, read_value=True)

    def decays(self, variable: Any) -> bool:
        """Return whether weight decay acts on `variable`."""
        return bool(self.weight_decay != 0.0 and self._use_weight_decay(variable))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, plain numbers only."""
        rate = self._learning_rate
        is_schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
        lr = keras.optimizers.schedules.serialize(rate) if is_schedule else float(rate.numpy())
        return {"name": self.name, "lr": lr, **{argument: getattr(self, argument) for argument in self.arguments}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "TorchOptimizer":
        """Build the optimizer that `get_config` described; its state starts afresh."""
        config = dict(config)
        if isinstance(config["lr"], dict):
            config["lr"] = keras.saving.deserialize_keras_object(config["lr"], custom_objects=custom_objects)
        return cls(**config)


def filled(value: float) -> Callable[..., Any]:
    """Return an initializer for slots that start at `value`, exact in float64 (Keras' Constant is not)."""

    def initializer(shape: Any, dtype: Any) -> Any:
        return tf.fill(shape, tf.constant(value, dtype))

    return initializer
