"""PyTorch's loss modules as Keras losses, for `compile` and for loops: `loss(target, prediction)`, in Keras' order."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.faithful import ctc, distance, functional
from harness.faithful.traced import as_it_stands


@as_it_stands
class TorchLoss(keras.losses.Loss):
    """A Keras loss that answers what the PyTorch module of its name answers: the whole reduction is torch's.

    Called `loss(y_true, y_pred)`, target before prediction, because Keras does. Several predictions come as a tuple, or
    side by side along the last axis of one tensor, which is what `fit` needs (`keras.layers.Concatenate`).
    Computes in the precision of the prediction, at least float32. `reduction` is torch's word. Masks that Keras would
    apply by itself are ignored, and sample weights refused, since no torch loss knows either. Arguments stand in
    torch's order; those behind torch's old `size_average` and `reduce`, which are refused, are given by name.
    """

    ARGUMENTS: tuple[str, ...] = ()

    def __init__(
        self, reduction: str = "mean", name: str | None = None, *, size_average: Any = None, reduce: Any = None
    ) -> None:
        functional.refuse_old_reductions(type(self).__name__, size_average, reduce)
        super().__init__(name=name)
        self.reduction = reduction

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if sample_weight is not None:
            raise ValueError(
                f'{type(self).__name__} takes no sample weights, nor does torch; weight what reduction="none" answers'
            )
        return self.call(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        own = {name: plain(getattr(self, name)) for name in self.ARGUMENTS}
        return {"name": self.name, "reduction": self.reduction, **own}


def plain(value: Any) -> Any:
    """Class weights as a list, so that a configuration is JSON; anything else as it is."""
    return np.asarray(value).tolist() if isinstance(value, np.ndarray | tf.Tensor | list | tuple) else value


def several(predictions: Any, count: int) -> list[Any]:
    """The predictions of a loss that takes `count` of them."""
    if isinstance(predictions, tuple | list):
        return list(predictions)
    width = predictions.shape[-1]
    if width is None or width % count:
        raise ValueError(
            f"a last axis of {width} does not hold {count} predictions side by side; give a tuple of {count}"
        )
    return tf.split(predictions, count, -1)


@keras.saving.register_keras_serializable(package="twinloop")
class BCELoss(TorchLoss):
    """`torch.nn.BCELoss`, from probabilities; see `functional.binary_cross_entropy`."""

    ARGUMENTS = ("weight",)

    def __init__(self, weight: Any = None, *, reduction: str = "mean", name: str | None = None, **old: Any) -> None:
        super().__init__(reduction, name, **old)
        self.weight = weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.binary_cross_entropy(y_pred, y_true, self.weight, reduction=self.reduction)


@keras.saving.register_keras_serializable(package="twinloop")
class BCEWithLogitsLoss(TorchLoss):
    """`torch.nn.BCEWithLogitsLoss`; see `functional.binary_cross_entropy_with_logits`."""

    ARGUMENTS = ("weight", "pos_weight")

    def __init__(
        self,
        weight: Any = None,
        *,
        reduction: str = "mean",
        pos_weight: Any = None,
        name: str | None = None,
        **old: Any,
    ) -> None:
        super().__init__(reduction, name, **old)
        self.weight, self.pos_weight = weight, pos_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.binary_cross_entropy_with_logits(
            y_pred, y_true, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


@keras.saving.register_keras_serializable(package="twinloop")
class CrossEntropyLoss(TorchLoss):
    """`torch.nn.CrossEntropyLoss`, from logits with the classes along `axis` (last); see `functional.cross_entropy`."""

    ARGUMENTS = ("weight", "ignore_index", "label_smoothing", "axis")

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        axis: int = -1,
        name: str | None = None,
        **old: Any,
    ) -> None:
        super().__init__(reduction, name, **old)
        self.weight, self.ignore_index, self.label_smoothing, self.axis = weight, ignore_index, label_smoothing, axis

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.cross_entropy(
            y_pred,
            y_true,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
            axis=self.axis,
        )


@keras.saving.register_keras_serializable(package="twinloop")
class NLLLoss(TorchLoss):
    """`torch.nn.NLLLoss`, from log-probabilities with the classes along `axis` (last); see `functional.nll_loss`."""

    ARGUMENTS = ("weight", "ignore_index", "axis")

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        axis: int = -1,
        name: str | None = None,
        **old: Any,
    ) -> None:
        super().__init__(reduction, name, **old)
        self.weight, self.ignore_index, self.axis = weight, ignore_index, axis

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.nll_loss(
            y_pred, y_true, self.weight, ignore_index=self.ignore_index, reduction=self.reduction, axis=self.axis
        )


@keras.saving.register_keras_serializable(package="twinloop")
class KLDivLoss(TorchLoss):
    """`torch.nn.KLDivLoss`: the prediction is log q; "batchmean" is a reduction too; see `functional.kl_div`."""

    ARGUMENTS = ("log_target",)

    def __init__(
        self, *, reduction: str = "mean", log_target: bool = False, name: str | None = None, **old: Any
    ) -> None:
        super().__init__(reduction, name, **old)
        self.log_target = log_target

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.kl_div(y_pred, y_true, reduction=self.reduction, log_target=self.log_target)


@keras.saving.register_keras_serializable(package="twinloop")
class SmoothL1Loss(TorchLoss):
    """`torch.nn.SmoothL1Loss`; see `functional.smooth_l1_loss`."""

    ARGUMENTS = ("beta",)

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0, name: str | None = None, **old: Any) -> None:
        super().__init__(reduction, name, **old)
        self.beta = beta

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.smooth_l1_loss(y_pred, y_true, reduction=self.reduction, beta=self.beta)


@keras.saving.register_keras_serializable(package="twinloop")
class HuberLoss(TorchLoss):
    """`torch.nn.HuberLoss`; see `functional.huber_loss`."""

    ARGUMENTS = ("delta",)

    def __init__(self, reduction: str = "mean", delta: float = 1.0, name: str | None = None) -> None:
        super().__init__(reduction, name)
        self.delta = delta

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.huber_loss(y_pred, y_true, self.reduction, self.delta)


@keras.saving.register_keras_serializable(package="twinloop")
class GaussianNLLLoss(TorchLoss):
    """`torch.nn.GaussianNLLLoss`, called `loss(target, (mean, var))`; see `functional.gaussian_nll_loss`."""

    ARGUMENTS = ("full", "eps")

    def __init__(
        self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean", name: str | None = None
    ) -> None:
        super().__init__(reduction, name)
        self.full, self.eps = full, eps

    def call(self, y_true: Any, y_pred: Any) -> Any:
        mean, var = several(y_pred, 2)
        return functional.gaussian_nll_loss(mean, y_true, var, self.full, self.eps, self.reduction)


@keras.saving.register_keras_serializable(package="twinloop")
class PoissonNLLLoss(TorchLoss):
    """`torch.nn.PoissonNLLLoss`; see `functional.poisson_nll_loss`."""

    ARGUMENTS = ("log_input", "full", "eps")

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
        name: str | None = None,
        **old: Any,
    ) -> None:
        super().__init__(reduction, name, **old)
        self.log_input, self.full, self.eps = log_input, full, eps

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return functional.poisson_nll_loss(
            y_pred, y_true, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


@keras.saving.register_keras_serializable(package="twinloop")
class CosineEmbeddingLoss(TorchLoss):
    """`torch.nn.CosineEmbeddingLoss`, called `loss(target, (x1, x2))`; see `distance.cosine_embedding_loss`."""

    ARGUMENTS = ("margin",)

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean", name: str | None = None, **old: Any) -> None:
        super().__init__(reduction, name, **old)
        self.margin = margin

    def call(self, y_true: Any, y_pred: Any) -> Any:
        x1, x2 = several(y_pred, 2)
        return distance.cosine_embedding_loss(x1, x2, y_true, self.margin, reduction=self.reduction)


@keras.saving.register_keras_serializable(package="twinloop")
class TripletMarginLoss(TorchLoss):
    """`torch.nn.TripletMarginLoss`, called `loss(None, (anchor, positive, negative))`; a target is not looked at.

    See `distance.triplet_margin_loss`.
    """

    ARGUMENTS = ("margin", "p", "eps", "swap")

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
        name: str | None = None,
        **old: Any,
    ) -> None:
        super().__init__(reduction, name, **old)
        distance.check_margin(margin)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: ARG002  (Keras passes a target to every loss)
        anchor, positive, negative = several(y_pred, 3)
        return distance.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


@keras.saving.register_keras_serializable(package="twinloop")
class CTCLoss(TorchLoss):
    """`torch.nn.CTCLoss`, called `loss((targets, input_lengths, target_lengths), log_probs)`; see `ctc.ctc_loss`.

    `log_probs` is (time, batch, classes), or with `batch_first=True` (batch, time, classes), which Keras models give.
    In `fit` the target may be the labels alone, (batch, longest), padded at the end with the blank or a negative
    number; every input then has its full length.
    """

    ARGUMENTS = ("blank", "zero_infinity", "batch_first")

    def __init__(
        self,
        blank: int = 0,
        reduction: str = "mean",
        zero_infinity: bool = False,
        *,
        batch_first: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.blank, self.zero_infinity, self.batch_first = blank, zero_infinity, batch_first

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_probs = tf.transpose(y_pred, (1, 0, 2)) if self.batch_first else tf.convert_to_tensor(y_pred)
        if isinstance(y_true, tuple | list):
            targets, input_lengths, target_lengths = y_true
        else:
            targets = tf.cast(y_true, tf.int32)
            input_lengths = tf.fill(tf.shape(log_probs)[1:2], tf.shape(log_probs)[0])
            target_lengths = tf.reduce_sum(tf.cast((targets >= 0) & (targets != self.blank), tf.int32), -1)
        return ctc.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
