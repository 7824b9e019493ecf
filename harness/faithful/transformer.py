"""The Transformer's encoder layer with PyTorch's order of norms, epsilon, activation and dropouts."""

import math
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.activation import GELU
from harness.faithful.attention import MultiheadAttention
from harness.faithful.dropout import Dropout
from harness.faithful.part import Part, symmetric_uniform, widened


@keras.saving.register_keras_serializable(package="twinloop")
class TransformerEncoderLayer(Part):
    """`torch.nn.TransformerEncoderLayer`: attention and two dense layers, each added to its input and normalized.

    Input (time, batch, d_model), or (batch, time, d_model) with `batch_first=True`; output alike. The norms come after
    the sums unless `norm_first`. `src_mask` and `src_key_padding_mask` are MultiheadAttention's `attn_mask` and
    `key_padding_mask`, and `is_causal` is its hint. `activation` is a name, since a function cannot be saved. `keep`
    may give the four dropout masks: of the attention, of its output, between the dense layers, and of their output.
    A query that may look nowhere gets zeros from the attention; torch's fast path, taken after `eval()` inside
    `no_grad`, has NaN for it, and torch itself zeros everywhere else.

    Weights: `self_attn.` those of MultiheadAttention; `linear1.weight` (dim_feedforward, d_model), `linear2.weight`
    (d_model, dim_feedforward), `norm1.weight`, `norm2.weight` (d_model,), each with its `.bias` unless `bias=False`.
    """

    ARGUMENTS = (
        "d_model",
        "nhead",
        "dim_feedforward",
        "dropout",
        "activation",
        "layer_norm_eps",
        "batch_first",
        "norm_first",
        "bias",
    )

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if activation not in ("relu", "gelu"):
            raise ValueError(f'activation is "relu" or "gelu", by name, not {activation!r}')
        self.d_model, self.nhead, self.dim_feedforward, self.dropout = d_model, nhead, dim_feedforward, dropout
        self.activation, self.layer_norm_eps = activation, layer_norm_eps
        self.batch_first, self.norm_first, self.bias = batch_first, norm_first, bias
        policy = {"dtype": self.dtype_policy}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **policy)
        self._drops = [Dropout(dropout, **policy) for _ in range(3)]
        self._activate = tf.nn.relu if activation == "relu" else GELU(**policy)
        for name, rows, columns in (("linear1", dim_feedforward, d_model), ("linear2", d_model, dim_feedforward)):
            self.parameter(f"{name}.weight", (rows, columns), symmetric_uniform(1.0 / math.sqrt(columns)))
            if bias:
                self.parameter(f"{name}.bias", (rows,), symmetric_uniform(1.0 / math.sqrt(columns)))
        for name in ("norm1", "norm2"):
            self.parameter(f"{name}.weight", (d_model,), "ones", autocast=False)
            if bias:
                self.parameter(f"{name}.bias", (d_model,), "zeros", autocast=False)

    def call(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
        keep: Any = None,
        training: bool | None = None,
    ) -> Any:
        masks = (None,) * 4 if keep is None else keep

        def attended(x: Any) -> Any:
            x, _ = self.self_attn(
                x,
                key_padding_mask=src_key_padding_mask,
                attn_mask=src_mask,
                need_weights=False,
                is_causal=is_causal,
                keep=masks[0],
                training=training,
            )
            return self._drops[0](x, keep=masks[1], training=training)

        def fed_forward(x: Any) -> Any:
            x = self._activate(self._linear(x, "linear1"))
            x = self._drops[1](x, keep=masks[2], training=training)
            return self._drops[2](self._linear(x, "linear2"), keep=masks[3], training=training)

        if self.norm_first:
            x = src + attended(self._normalized(src, "norm1"))
            return x + fed_forward(self._normalized(x, "norm2"))
        x = self._normalized(src + attended(src), "norm1")
        return self._normalized(x + fed_forward(x), "norm2")

    def _tensor(self, name: str) -> Any:
        return tf.convert_to_tensor(getattr(self, name))

    def _linear(self, x: Any, name: str) -> Any:
        x = tf.matmul(x, self._tensor(f"{name}_weight"), transpose_b=True)
        return x + self._tensor(f"{name}_bias") if self.bias else x

    def _normalized(self, inputs: Any, name: str) -> Any:
        x = widened(inputs)
        centred = x - tf.reduce_mean(x, -1, keepdims=True)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + self.layer_norm_eps)
        normalized = centred * scale * self._tensor(f"{name}_weight")
        return tf.cast(normalized + self._tensor(f"{name}_bias") if self.bias else normalized, inputs.dtype)

    def named_parameters(self, prefix: str = "") -> list[tuple[str, Any]]:
        attention = self.self_attn.named_parameters(f"{prefix}self_attn.")
        inner = {id(variable) for _, variable in attention}
        return attention + [row for row in super().named_parameters(prefix) if id(row[1]) not in inner]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
