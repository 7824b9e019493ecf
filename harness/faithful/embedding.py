"""Embedding with a padding row that never learns, and a gradient that optimizers take as PyTorch's do."""

from typing import Any

import keras
import tensorflow as tf

from harness.faithful.part import Part


@keras.saving.register_keras_serializable(package="twinloop")
class Embedding(Part):
    """`torch.nn.Embedding`: rows of `weight` (num_embeddings, embedding_dim), by integers of any shape.

    The row `padding_idx` starts at zero, is looked up like any other, and gets no gradient; no mask is made. The
    gradient is dense, as torch's is: Keras' optimizers square the rows of a sparse one before they add those of a
    repeated index, and skip the rows that a batch does not hold.
    """

    ARGUMENTS = ("num_embeddings", "embedding_dim", "padding_idx")

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx {padding_idx} is no row of {num_embeddings} embeddings")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.parameter("weight", (num_embeddings, embedding_dim), keras.initializers.RandomNormal(stddev=1.0))
        if self.padding_idx is not None:
            row = tf.range(num_embeddings)[:, None] == self.padding_idx
            self.weight.assign(tf.where(row, tf.zeros_like(self.weight), self.weight))

    def call(self, inputs: Any) -> Any:
        ids = tf.cast(inputs, tf.int32) if inputs.dtype.is_floating else inputs

        def lookup(weight: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                flat = tf.reshape(ids, [-1])
                rows = tf.reshape(upstream, [-1, self.embedding_dim])
                if self.padding_idx is not None:
                    rows = tf.where((flat == self.padding_idx)[:, None], tf.zeros_like(rows), rows)
                return tf.math.unsorted_segment_sum(rows, flat, self.num_embeddings)

            return tf.gather(weight, ids), gradient

        return tf.custom_gradient(lookup)(tf.convert_to_tensor(self.weight))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.embedding_dim)
