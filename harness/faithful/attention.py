"""Multi-head attention with PyTorch's packed projection and its masks, in which True means ignore."""

import math
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.dropout import Dropout
from harness.faithful.part import Part, symmetric_uniform


@keras.saving.register_keras_serializable(package="twinloop")
class MultiheadAttention(Part):
    """`torch.nn.MultiheadAttention`, called as `layer(query, key, value)`; the answer is `(output, weights)`.

    Queries are (L, N, embed_dim), keys (S, N, kdim), values (S, N, vdim); (N, L, ...) with `batch_first=True`; key and
    value are the query if left out. `key_padding_mask` (N, S) and `attn_mask` (L, S) or (N * num_heads, L, S) are
    either Boolean, True where attention is *forbidden*, or numbers to be added to the scores. The weights are the mean
    over heads (N, L, S), or (N, num_heads, L, S) with `average_attn_weights=False`, or None with `need_weights=False`.
    `is_causal` says that `attn_mask` is causal; as in torch it needs the mask all the same.

    A query that may look nowhere gets NaN, as from PyTorch; with `need_weights=False` it gets zeros there, and here.
    `keep` (N, num_heads, L, S) may give the mask of the attention dropout. `add_bias_kv` appends a learned key and
    value, `add_zero_attn` a zero one; each makes S greater by 1, and no mask forbids them.

    Weights: `in_proj_weight` (3 embed_dim, embed_dim), queries before keys before values, heads contiguous in each; or
    `q_proj_weight`, `k_proj_weight`, `v_proj_weight` if kdim or vdim differ; `in_proj_bias` (3 embed_dim,);
    `bias_k`, `bias_v` (1, 1, embed_dim); `out_proj.weight`, `out_proj.bias`. Raises ValueError for widths and masks
    that do not fit and for a call without a batch axis, TypeError for a mask of another dtype.
    """

    ARGUMENTS = (
        "embed_dim",
        "num_heads",
        "dropout",
        "bias",
        "add_bias_kv",
        "add_zero_attn",
        "kdim",
        "vdim",
        "batch_first",
    )

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if min(embed_dim, num_heads) < 1 or embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} is not a multiple of num_heads {num_heads}")
        self.embed_dim, self.num_heads, self.dropout, self.bias = embed_dim, num_heads, dropout, bias
        self.kdim, self.vdim, self.batch_first = kdim or embed_dim, vdim or embed_dim, batch_first
        self.add_bias_kv, self.add_zero_attn = add_bias_kv, add_zero_attn
        self.packed = self.kdim == self.vdim == embed_dim
        self._drop = Dropout(dropout, dtype=self.dtype_policy)

        def xavier(rows: int, columns: int) -> Any:
            return symmetric_uniform(math.sqrt(6.0 / (rows + columns)))

        if self.packed:
            self.parameter("in_proj_weight", (3 * embed_dim, embed_dim), xavier(3 * embed_dim, embed_dim))
        else:
            for name, width in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
                self.parameter(f"{name}_proj_weight", (embed_dim, width), xavier(embed_dim, width))
        if bias:
            self.parameter("in_proj_bias", (3 * embed_dim,), "zeros")
        self.parameter("out_proj.weight", (embed_dim, embed_dim), symmetric_uniform(1.0 / math.sqrt(embed_dim)))
        if bias:
            self.parameter("out_proj.bias", (embed_dim,), "zeros")
        if add_bias_kv:
            for name in ("bias_k", "bias_v"):
                initializer = keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(embed_dim))
                self.parameter(name, (1, 1, embed_dim), initializer)

    def call(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        keep: Any = None,
        training: bool | None = None,
    ) -> tuple[Any, Any]:
        key = query if key is None else key
        value = key if value is None else value
        self._check(query, key, value)
        if is_causal and attn_mask is None:
            raise ValueError(
                f"{self.name}: is_causal only says what the mask is; give the causal mask as attn_mask too"
            )
        masks = self._masks(key_padding_mask, attn_mask, self._shape(query)[:2], self._shape(key)[1])
        if self.packed and query is key is value:
            q, k, v = (self._heads(x) for x in tf.split(self._projected(query, slice(None)), 3, -1))
        else:
            blocks = (slice(which * self.embed_dim, (which + 1) * self.embed_dim) for which in range(3))
            q, k, v = (
                self._heads(self._projected(x, rows)) for x, rows in zip((query, key, value), blocks, strict=True)
            )

        if self.add_bias_kv:
            k, v = (self._appended(x, tf.convert_to_tensor(row)) for x, row in ((k, self.bias_k), (v, self.bias_v)))
        if self.add_zero_attn:
            k, v = (self._appended(x, tf.zeros((1, 1, self.embed_dim), x.dtype)) for x in (k, v))
        scores = tf.matmul(q * (1.0 / math.sqrt(self.embed_dim // self.num_heads)), k, transpose_b=True)
        for mask in masks:
            scores = self._masked(scores, mask)

        weights = tf.nn.softmax(scores)
        if masks and not need_weights:
            nowhere = tf.reduce_all(tf.math.is_inf(scores) & (scores < 0), -1, keepdims=True)
            weights = tf.nn.softmax(tf.where(nowhere, tf.zeros_like(scores), scores))
            weights = tf.where(nowhere, tf.zeros_like(weights), weights)
        if self.dropout:
            weights = self._drop(weights, keep=keep, training=training)

        mixed = tf.transpose(tf.matmul(weights, v), (0, 2, 1, 3))
        size = mixed.shape if mixed.shape[:2].is_fully_defined() else tf.shape(mixed)
        mixed = tf.reshape(mixed, (size[0], size[1], self.embed_dim))
        output = tf.matmul(mixed, tf.convert_to_tensor(self.out_proj_weight), transpose_b=True)
        if self.bias:
            output = output + self.out_proj_bias
        if not self.batch_first:
            output = tf.transpose(output, (1, 0, 2))
        if not need_weights:
            return output, None
        return output, tf.reduce_mean(weights, 1) if average_attn_weights else weights

    def _projected(self, x: Any, rows: slice) -> Any:
        """Project by those rows of the packed weight, or by the weight that they stand for."""
        if self.packed:
            weight = tf.convert_to_tensor(self.in_proj_weight)[rows]
        else:
            apart = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            weight = tf.convert_to_tensor(apart[rows.start // self.embed_dim])
        x = tf.matmul(x, weight, transpose_b=True)
        return x + tf.convert_to_tensor(self.in_proj_bias)[rows] if self.bias else x

    def _heads(self, x: Any) -> Any:
        """(L, N, embed_dim) or (N, L, embed_dim) as (N, heads, L, embed_dim / heads)."""
        size = x.shape if x.shape[:2].is_fully_defined() else tf.shape(x)
        x = tf.reshape(x, (size[0], size[1], self.num_heads, self.embed_dim // self.num_heads))
        return tf.transpose(x, (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3))

    def _appended(self, x: Any, row: Any) -> Any:
        """Heads (N, heads, S, size) with one more key or value, `row` (1, 1, embed_dim)."""
        row = tf.reshape(row, (1, self.num_heads, 1, self.embed_dim // self.num_heads))
        return tf.concat([x, tf.tile(row, (tf.shape(x)[0], 1, 1, 1))], 2)

    def _shape(self, x: Any) -> list[int | None]:
        """(N, length, width), as far as it is known."""
        batch, length = (x.shape[0], x.shape[1]) if self.batch_first else (x.shape[1], x.shape[0])
        return [batch, length, x.shape[2]]

    def _check(self, query: Any, key: Any, value: Any) -> None:
        widths = {"query": self.embed_dim, "key": self.kdim, "value": self.vdim}
        for x, (name, width) in zip((query, key, value), widths.items(), strict=True):
            if x.shape.rank != 3 or x.shape[2] != width:
                raise ValueError(f"{self.name} takes a {name} of rank 3 and width {width}, not {x.shape}")

    def _masks(self, key_padding_mask: Any, attn_mask: Any, size: list[int | None], source: int | None) -> list[Any]:
        """The masks, checked, so that they broadcast to (N, heads, L, S)."""
        batch, target = size
        heads = None if batch is None else batch * self.num_heads
        masks = []
        if attn_mask is not None:
            attn_mask = self._mask("attn_mask", attn_mask, [(target, source), (heads, target, source)])
            if attn_mask.shape.rank == 3:
                shape = attn_mask.shape if attn_mask.shape[1:].is_fully_defined() else tf.shape(attn_mask)
                attn_mask = tf.reshape(attn_mask, (-1, self.num_heads, shape[1], shape[2]))
            masks.append(attn_mask)
        if key_padding_mask is not None:
            masks.append(self._mask("key_padding_mask", key_padding_mask, [(batch, source)])[:, None, None, :])
        added = self.add_bias_kv + self.add_zero_attn
        if added:
            masks = [tf.pad(mask, [(0, 0)] * (mask.shape.rank - 1) + [(0, added)]) for mask in masks]
        return masks

    def _mask(self, name: str, mask: Any, shapes: list[tuple[int | None, ...]]) -> Any:
        mask = tf.convert_to_tensor(mask)
        if not (mask.dtype == tf.bool or mask.dtype.is_floating):
            raise TypeError(
                f"{self.name}: {name} is {mask.dtype.name}; make it bool, True where attention is forbidden"
            )
        if not any(mask.shape.is_compatible_with(shape) for shape in shapes):
            raise ValueError(f"{self.name}: {name} has shape {mask.shape}, not {' or '.join(map(str, shapes))}")
        return mask

    @staticmethod
    def _masked(scores: Any, mask: Any) -> Any:
        if mask.dtype == tf.bool:
            # Added, not selected: where a query may look nowhere, NaN has to flow back to queries and keys as well.
            mask = tf.where(mask, tf.constant(-math.inf, scores.dtype), tf.zeros((), scores.dtype))
        return scores + tf.cast(mask, scores.dtype)
