"""Embedding with a padding row that never learns, and a gradient that optimizers take as PyTorch's do."""

from typing import Any

import keras
import tensorflow as tf

from harness.faithful.distance import vector_norm
from harness.faithful.part import Part


@keras.saving.register_keras_serializable(package="twinloop")
class Embedding(Part):
    """`torch.nn.Embedding`: rows of `weight` (num_embeddings, embedding_dim), by integers of any shape.

    The row `padding_idx` starts at zero, is looked up like any other, and gets no gradient; no mask is made. The
    gradient is dense, as torch's is: Keras' optimizers square the rows of a sparse one before they add those of a
    repeated index, and skip the rows that a batch does not hold. With `sparse` it is a `tf.IndexedSlices` of the rows
    that occur, which `SparseAdam` needs. `scale_grad_by_freq` divides the gradient of a row by how often it occurs in
    the batch. `max_norm` shrinks, in the weight itself, the rows that are looked up to that `norm_type`-norm.
    """

    ARGUMENTS = (
        "num_embeddings",
        "embedding_dim",
        "padding_idx",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "sparse",
    )

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx {padding_idx} is no row of {num_embeddings} embeddings")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        # A weight that is shrunk in place may not come through a half precision first.
        initializer, wide = keras.initializers.RandomNormal(stddev=1.0), max_norm is not None
        self.parameter("weight", (num_embeddings, embedding_dim), initializer, autocast=not wide)
        if self.padding_idx is not None:
            row = tf.range(num_embeddings)[:, None] == self.padding_idx
            self.weight.assign(tf.where(row, tf.zeros_like(self.weight), self.weight))

    def call(self, inputs: Any) -> Any:
        ids = tf.cast(inputs, tf.int32) if inputs.dtype.is_floating else inputs
        flat = tf.reshape(ids, [-1])
        if self.max_norm is not None:
            self._shrink(self._times(flat) > 0)

        def lookup(weight: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                kept, rows = flat, tf.reshape(upstream, [-1, self.embedding_dim])
                if self.scale_grad_by_freq:
                    rows = rows / tf.cast(tf.gather(self._times(flat), flat), rows.dtype)[:, None]
                if self.padding_idx is not None and self.sparse:
                    learns = flat != self.padding_idx
                    kept, rows = tf.boolean_mask(flat, learns), tf.boolean_mask(rows, learns)
                elif self.padding_idx is not None:
                    rows = tf.where((flat == self.padding_idx)[:, None], tf.zeros_like(rows), rows)
                if self.sparse:
                    return tf.IndexedSlices(rows, kept, tf.constant([self.num_embeddings, self.embedding_dim]))
                return tf.math.unsorted_segment_sum(rows, kept, self.num_embeddings)

            return tf.gather(weight, ids), gradient

        rows = tf.custom_gradient(lookup)(tf.convert_to_tensor(self.weight))
        return tf.cast(rows, self.compute_dtype)

    def _times(self, flat: Any) -> Any:
        """How often each row is looked up."""
        return tf.math.unsorted_segment_sum(tf.ones_like(flat), flat, self.num_embeddings)

    def _shrink(self, touched: Any) -> None:
        weight = tf.convert_to_tensor(self.weight.value)
        norm = vector_norm(weight, self.norm_type, keepdims=True)
        shrunk = weight * (self.max_norm / (norm + 1e-7))
        self.weight.assign(tf.where(touched[:, None] & (norm > self.max_norm), shrunk, weight))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.embedding_dim)
