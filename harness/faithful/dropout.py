"""Dropout that can be handed its mask, so that two frameworks drop the same values."""

from typing import Any

import keras
import tensorflow as tf

from harness.faithful.part import Part


@keras.saving.register_keras_serializable(package="twinloop")
class Dropout(Part):
    """`torch.nn.Dropout`: in training, zero with probability `p` and the rest divided by 1 - p.

    `keep` (True or 1 where a value stays; any shape that broadcasts to the input, so one per channel is Dropout2d) says
    which; without it they are drawn anew in each call, and a saved layer goes on drawing where it was. Inside of a
    comparison the draws are those of torch's side. Elsewhere no random generator is common to the two, so a mask drawn
    once and given to both sides is the only dropout that can be compared.
    """

    ARGUMENTS = ("p", "seed")

    def __init__(self, p: float = 0.5, *, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"p is a probability, not {p!r}")
        self.p, self.seed = p, seed
        self._draws = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, keep: Any = None, training: bool | None = None) -> Any:
        if not training or self.p == 0.0:
            return inputs
        if self.p == 1.0:
            return tf.zeros_like(inputs)
        if keep is None:
            keep = keras.random.uniform(tf.shape(inputs), seed=self._draws) >= self.p
        return inputs * tf.cast(keep, inputs.dtype) / (1.0 - self.p)

    def save_own_variables(self, store: Any) -> None:
        """Save where the draws are, which Keras does not."""
        store["draws"] = self._draws.state.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Go on drawing from there."""
        self._draws.state.assign(store["draws"])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
