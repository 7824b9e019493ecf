"""Batch normalization with PyTorch's running statistics; the other normalizations are plain Keras with an epsilon."""

from typing import Any

import keras
import tensorflow as tf

from harness.faithful.part import Part, widened


@keras.saving.register_keras_serializable(package="twinloop")
class BatchNorm(Part):
    """`torch.nn.BatchNorm1d`, `BatchNorm2d` and `BatchNorm3d` (PyTorch page: BatchNorm2d).

    Three things differ from `keras.layers.BatchNormalization` beyond its defaults: the running variance takes the
    unbiased batch variance, n/(n-1) of the one that normalizes; `momentum` is the weight of the *new* value, or None
    for the cumulative average over all batches; and `trainable=False` freezes weight and bias only, as
    `requires_grad_(False)` does, while batch statistics are still used and recorded. What switches to the running
    statistics is `training=False`, as `eval()` does.

    Input of any rank with `num_features` along `axis` (last unless told; 1 for N, C, H, W); output of the same shape.
    Weights: `weight`, `bias` (num_features,); buffers `running_mean`, `running_var`, `num_batches_tracked` (int64).
    Raises ValueError for another number of features, and in training if there is a single value per feature, which has
    no unbiased variance (`tf.errors.InvalidArgumentError` where the batch is not known before; not under XLA, which
    drops assertions).
    """

    ARGUMENTS = ("num_features", "eps", "momentum", "affine", "track_running_stats", "axis")
    BUFFERS = ("running_mean", "running_var", "num_batches_tracked")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        axis: int = -1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.num_features, self.eps, self.momentum, self.axis = num_features, eps, momentum, axis
        self.affine, self.track_running_stats, self.has_bias = affine, track_running_stats, affine and bias
        # Not autocast: in mixed precision the statistics and the affine map stay float32, as under torch's autocast.
        wide: dict[str, Any] = {"autocast": False}
        shape = (num_features,)
        if affine:
            self.parameter("weight", shape, "ones", **wide)
        if self.has_bias:
            self.parameter("bias", shape, "zeros", **wide)
        if track_running_stats:
            self.parameter("running_mean", shape, "zeros", trainable=False, **wide)
            self.parameter("running_var", shape, "ones", trainable=False, **wide)
            self.parameter("num_batches_tracked", (), "zeros", dtype="int64", trainable=False)

    def get_config(self) -> dict[str, Any]:
        # The attribute `bias` is the variable, as in torch.
        return {**super().get_config(), "bias": self.has_bias}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = widened(inputs)
        axis = self.axis % x.shape.rank
        if x.shape[axis] not in (None, self.num_features):
            raise ValueError(f"{self.name}: {x.shape[axis]} features along axis {self.axis}, not {self.num_features}")
        others = [other for other in range(x.shape.rank) if other != axis]
        along = [1] * x.shape.rank
        along[axis] = self.num_features

        if training or not self.track_running_stats:
            mean = self._mean(x, others)
            centred = x - mean
            variance = self._mean(tf.square(centred), others)
        else:
            mean = tf.reshape(tf.cast(self.running_mean, x.dtype), along)
            centred = x - mean
            variance = tf.reshape(tf.cast(self.running_var, x.dtype), along)
        if training:
            values = self._several_values(x, [x.shape[other] for other in others])
            if self.track_running_stats:
                count = tf.cast(values, x.dtype)
                self._record(tf.reshape(mean, [-1]), tf.reshape(variance, [-1]) * (count / (count - 1)))

        normalized = centred * tf.math.rsqrt(variance + self.eps)
        if self.affine:
            normalized = normalized * tf.reshape(self.weight, along)
        if self.has_bias:
            normalized = normalized + tf.reshape(self.bias, along)
        return tf.cast(normalized, inputs.dtype)

    def _mean(self, x: Any, others: list[int]) -> Any:
        return tf.reduce_mean(x, others, keepdims=True)

    def _record(self, mean: Any, unbiased_variance: Any) -> None:
        self.num_batches_tracked.assign_add(1)
        new = self.momentum
        if new is None:
            new = 1.0 / tf.cast(self.num_batches_tracked, self.running_mean.dtype)
        for running, value in ((self.running_mean, mean), (self.running_var, unbiased_variance)):
            old = tf.convert_to_tensor(running)
            running.assign((1.0 - new) * old + new * tf.cast(tf.stop_gradient(value), old.dtype))

    def _several_values(self, x: Any, sizes: list[int | None]) -> Any:
        """How many values each feature has, not being one."""
        message = (
            f"{self.name}: one value per feature in training, and torch needs two; "
            "drop the last partial batch, or call the layer with training=False"
        )
        if all(size == 1 for size in sizes):
            raise ValueError(message)
        values = tf.size(x) // self.num_features
        if None not in sizes:
            return values
        with tf.control_dependencies([tf.debugging.assert_none_equal(values, 1, message=message)]):
            return tf.identity(values)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="twinloop")
class SyncBatchNorm(BatchNorm):
    """`torch.nn.SyncBatchNorm`: BatchNorm whose statistics in training are those of all replicas together.

    The replicas are those of the `tf.distribute` strategy that the call runs in, and may have batches of different
    sizes; gradients pass through the statistics to all of them. With one replica, and outside of a strategy, it is
    `BatchNorm`, whose arguments, weights and errors it has. `process_group` is refused.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        **options: Any,
    ) -> None:
        if process_group is not None:
            raise TypeError("SyncBatchNorm takes no process_group: its replicas are those of tf.distribute's strategy")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, **options)

    def _mean(self, x: Any, others: list[int]) -> Any:
        replicas = several_replicas()
        if replicas is None:
            return super()._mean(x, others)
        total = tf.reduce_sum(x, others, keepdims=True)
        values = tf.cast(tf.size(x) // self.num_features, x.dtype)
        total, values = replicas.all_reduce(tf.distribute.ReduceOp.SUM, [total, values])
        return total / values

    def _several_values(self, x: Any, sizes: list[int | None]) -> Any:
        replicas = several_replicas()
        if replicas is None:
            return super()._several_values(x, sizes)
        return replicas.all_reduce(tf.distribute.ReduceOp.SUM, tf.size(x) // self.num_features)


def several_replicas() -> Any:
    """The replica that this runs in, if there are others beside it."""
    replica = tf.distribute.get_replica_context()
    return replica if replica is not None and replica.num_replicas_in_sync > 1 else None
