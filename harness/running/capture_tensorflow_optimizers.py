"""What the optimizers of a captured TensorFlow function are handed, clip and ask their schedules for."""

from collections.abc import Callable
from typing import Any

from keras.src.optimizers.base_optimizer import BaseOptimizer

from harness.running.capture import Driven
from harness.running.capture_tensorflow_values import value_of

Exchange = Callable[[Any, str, Callable[[Any], Any]], None]
"""Puts a wrapper in the place of an attribute: of what, under which name, and what makes the wrapper of what stands there."""


class Optimizers:
    """The optimizers of one pass of a training function, ``driven``.

    first: called before gradients are first applied, be it only in a trace. told: called when an optimizer has applied
    gradients, with it, with them and with the variables.
    made: those that were made. trained: what is trained first. rate: of the last application. clip: the gradients before and
    after an optimizer has clipped them there itself.
    """

    def __init__(
        self, driven: Driven, first: Callable[[], None], told: Callable[[Any, list[Any], list[Any]], None]
    ) -> None:
        self.driven, self.first, self.told = driven, first, told
        self.made: list[Any] = []
        self.trained: list[Any] = []
        self.rate: Any = None
        self.clip: tuple[list[Any], list[Any]] | None = None
        self.applying = 0

    def put(self, exchange: Exchange) -> None:
        """Put the hooks of Keras' optimizers in."""
        exchange(BaseOptimizer, "__init__", self.init)
        exchange(BaseOptimizer, "apply", self.apply)
        exchange(BaseOptimizer, "_clip_gradients", self.clip_gradients)
        exchange(BaseOptimizer, "_get_current_learning_rate", self.current_rate)

    def init(self, plain: Any) -> Any:
        """An optimizer is made."""

        def init(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            plain(optimizer, *args, **kwargs)
            if self.driven.inside:
                self.made.append(optimizer)

        return init

    def begin(self, variables: list[Any]) -> None:
        """Gradients are about to be applied to these variables."""
        self.trained = self.trained or variables
        self.first()
        self.applying += 1
        self.clip = self.rate = None

    def apply(self, plain: Any) -> Any:
        """``optimizer.apply``, which ``apply_gradients`` and ``fit`` call."""

        def apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
            if self.applying or not self.driven.inside:
                return plain(optimizer, grads, trainable_variables)
            grads = list(grads)
            known = list(optimizer._trainable_variables if trainable_variables is None else trainable_variables)
            self.begin(known)
            try:
                made = plain(optimizer, grads, None if trainable_variables is None else known)
            finally:
                self.applying -= 1
            self.told(optimizer, grads, [value_of(variable) for variable in known])
            return made

        return apply

    def clip_gradients(self, plain: Any) -> Any:
        """Keras' ``clipnorm``, ``clipvalue`` and ``global_clipnorm``."""

        def clip(optimizer: Any, grads: Any) -> Any:
            made = plain(optimizer, grads)
            if self.applying and self.driven.inside and any(a is not b for a, b in zip(grads, made, strict=True)):
                self.clip = list(grads), list(made)
            return made

        return clip

    def current_rate(self, plain: Any) -> Any:
        """The rate that an optimizer asks its schedule for."""

        def rate(optimizer: Any) -> Any:
            made = plain(optimizer)
            if self.applying and self.driven.inside:
                self.rate = made
            return made

        return rate
