"""What people make of one torch function when they port it: the table of changes of single calls."""

from functools import cache

import torch
from torch.nn import functional as F  # noqa: N812  # as torch's users write it

from harness.mutations import arithmetic, layers, losses, windows
from harness.mutations.call import Change, argument, named, written

EPSILONS = (1e-3, 1e-7, 1e-6, 1e-5, 1e-8, 1e-12, 0.0)


LOSSES = (
    "mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy nll_loss binary_cross_entropy "
    "binary_cross_entropy_with_logits kl_div poisson_nll_loss gaussian_nll_loss hinge_embedding_loss margin_ranking_loss "
    "triplet_margin_loss cosine_embedding_loss soft_margin_loss multi_margin_loss ctc_loss"
)


SAME_SHAPE = (
    "relu gelu silu tanh sigmoid leaky_relu elu selu softplus hardtanh hardsigmoid hardswish mish softmax log_softmax "
    "dropout dropout1d dropout2d layer_norm batch_norm group_norm instance_norm rms_norm normalize"
)


CHANGES: tuple[Change, ...] = (
    argument("layernorm-eps-default", "layer_norm", "eps", *EPSILONS),
    argument("batchnorm-eps-default", "batch_norm", "eps", *EPSILONS),
    argument("groupnorm-eps-and-axis", "group_norm instance_norm", "eps", *EPSILONS),
    argument("rmsnorm-eps", "rms_norm", "eps", *EPSILONS),
    argument("l2-normalize-eps", "normalize", "eps", *EPSILONS),
    argument("cosine-similarity-eps", "cosine_similarity", "eps", *EPSILONS),
    argument("triplet-pairwise-eps-and-zero-distance", "triplet_margin_loss pairwise_distance", "eps", 0.0, 1e-7, 1e-12),
    argument("batchnorm-momentum-convention", "batch_norm", "momentum", lambda m: 1 - m, stage="buffers"),
    argument("batchnorm-momentum-default", "batch_norm", "momentum", 0.01, 0.1, 0.001, 0.2, stage="buffers"),
    written("in evaluation mode", "batchnorm-training-flag-omitted", "batch_norm", layers.in_evaluation,
            where=lambda c: bool(c.given.get("training"))),
    argument("batchnorm-eval-not-restored", "batch_norm", "training", True),
    argument("gelu-tanh-default-in-keras-ops", "gelu", "approximate", "tanh", "none"),
    argument("leaky-relu-slope", "leaky_relu", "negative_slope", 0.3, 0.2, 0.01, 0.1),
    argument("activation-parameter", "elu celu", "alpha", 1.0, 0.5, 1.67326324),
    argument("softplus-threshold", "softplus", "beta", 1.0),
    argument("avgpool-count-include-pad", "avg_pool2d avg_pool1d", "count_include_pad", False, True),
    argument("maxpool-ceil-mode", "max_pool1d max_pool2d max_pool3d avg_pool2d", "ceil_mode", False, True),
    argument("resize-bilinear-align-corners", "interpolate", "align_corners", False, True),
    argument("resize-antialias-downsample", "interpolate", "antialias", False, True),
    argument("resize-nearest-rounding", "interpolate", "mode", "nearest", "nearest-exact", "bilinear", "bicubic"),
    argument("attention-layer-no-scaling", "scaled_dot_product_attention", "scale", 1.0),
    argument("attention-mask-omitted", "scaled_dot_product_attention", "is_causal", False),
    argument("attention-mask-omitted", "scaled_dot_product_attention multi_head_attention_forward", "attn_mask", None),
    argument("attention-mask-omitted", "multi_head_attention_forward", "key_padding_mask", None),
    argument("bias-omitted", "linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d layer_norm batch_norm group_norm",
             "bias", None),
    argument("embedding-max-norm", "embedding", "max_norm", None),
    argument("embedding-padding-idx", "embedding", "padding_idx", None, stage="grads"),
    argument("dilation-omitted", "conv1d conv2d", "dilation", 1),
    argument("std-unbiased-default", "std var", "correction", 0, 1),
    argument("std-unbiased-default", "std var", "unbiased", False, True),
    argument("dropout-omitted", "dropout dropout1d dropout2d", "training", False),
    argument("dropout-keep-prob-vs-rate", "dropout dropout1d dropout2d", "p", lambda p: 1 - p),
    argument("loss-sum-for-mean", LOSSES, "reduction", "sum", "mean", stage="loss"),
    argument("kldiv-mean-vs-batchmean", "kl_div", "reduction", "batchmean", "mean", stage="loss"),
    argument("label-smoothing-omitted", "cross_entropy", "label_smoothing", 0.0, 0.1, stage="loss"),
    argument("class-weights-omitted", "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits",
             "weight", None, stage="loss"),
    argument("bce-pos-weight", "binary_cross_entropy_with_logits", "pos_weight", None, stage="loss"),
    argument("ignore-index-omitted", "cross_entropy nll_loss", "ignore_index", -100, stage="loss"),
    argument("smoothl1-beta-vs-huber-delta", "smooth_l1_loss", "beta", 1.0, 0.5, stage="loss"),
    argument("smoothl1-beta-vs-huber-delta", "huber_loss", "delta", 1.0, 0.5, stage="loss"),
    argument("margin-default", "triplet_margin_loss margin_ranking_loss hinge_embedding_loss cosine_embedding_loss",
             "margin", 1.0, 0.0, 0.5, 0.2, stage="loss"),
    written("no margin", "margin-default", "triplet_margin_loss", losses.no_margin, stage="loss"),
    argument("poisson-nll-log-input", "poisson_nll_loss", "log_input", False, True, stage="loss"),
    argument("target-network-ema-rate", "lerp lerp_", "weight", lambda w: 1 - w, stage="outputs"),
    argument("ema-default-momentum", "lerp lerp_", "weight", 0.01, 0.001, 0.1, stage="outputs"),
    Change("another axis", "softmax-dim-channels", frozenset({"softmax", "log_softmax", "normalize"}), "outputs", layers.dims,
           lambda call, s: call.run(**s)),
    Change("another order of gates", "lstm-gate-order", frozenset({"lstm"}), "outputs", layers.gates, layers.reordered),
    Change("another order of gates", "gru-gate-order", frozenset({"gru"}), "outputs", layers.gates, layers.reordered),
    written("one more in the forget bias", "lstm-unit-forget-bias", "lstm", layers.forget_bias,
            where=lambda c: len(c.args) > 2 and isinstance(c.args[2], list | tuple)),
    written("left out", "layer-omitted", SAME_SHAPE, lambda c: c.given.get("input", c.first)),
    written("operands not rounded", "bf16-autocast-vs-keras-mixed-policy", "linear matmul bmm conv1d conv2d", layers.unrounded,
            where=layers.autocast),
    written("running variance of the batch as it is", "batchnorm-running-var-unbiased", "batch_norm", layers.biased_running,
            where=lambda c: bool(c.given["training"]) and c.given["running_var"] is not None, stage="buffers"),
    written("weight not transposed", "dense-square-kernel-not-transposed", "linear",
            lambda c: c.run(weight=c.given["weight"].t()), where=layers.square),
    written("height and width exchanged", "conv-kernel-hw-swapped", "conv2d conv_transpose2d",
            lambda c: c.run(weight=c.given["weight"].transpose(2, 3)),
            where=lambda c: len(windows.spatial(c)) == 2 and windows.spatial(c)[0] == windows.spatial(c)[1] > 1),
    written("kernel mirrored", "conv-kernel-mirrored", "conv1d conv2d conv3d conv_transpose1d conv_transpose2d",
            lambda c: c.run(weight=c.given["weight"].flip(tuple(range(2, 2 + len(windows.spatial(c)))))),
            where=lambda c: any(size > 1 for size in windows.spatial(c))),
    written("padded as SAME", "conv2d-same-stride2-asymmetric-padding", "conv1d conv2d conv3d", windows.same_convolution,
            where=lambda c: any(size > 1 for size in windows.spatial(c))),
    written("padded as SAME", "maxpool-same-vs-padding1", "max_pool1d max_pool2d max_pool3d", windows.same_pool,
            where=windows.padded),
    written("padded with zeros", "maxpool-zero-padding", "max_pool1d max_pool2d max_pool3d", windows.zero_pool,
            where=windows.padded),
    written("output projection not transposed", "dense-square-kernel-not-transposed", "multi_head_attention_forward",
            lambda c: c.run(out_proj_weight=c.given["out_proj_weight"].t())),
    written("attention mask turned round", "mha-attn-mask-polarity-within-torch",
            "scaled_dot_product_attention multi_head_attention_forward", lambda c: layers.negated(c, "attn_mask"),
            where=layers.hides("attn_mask")),
    written("padding mask turned round", "mha-key-padding-mask-polarity", "multi_head_attention_forward",
            lambda c: layers.negated(c, "key_padding_mask"), where=layers.hides("key_padding_mask")),
    written("logits clipped as probabilities", "ce-from-logits-default", "cross_entropy", losses.keras_entropy, stage="loss"),
    written("logits divided by their sum", "ce-from-logits-default", "cross_entropy", losses.keras_dense_entropy, stage="loss"),
    written("softmax before it", "ce-double-softmax-undone-by-keras", "cross_entropy",
            lambda c: c.run(input=c.given["input"].softmax(1)), stage="loss"),
    written("mean over examples of weighted losses", "ce-class-weights-normalisation", "cross_entropy", losses.class_mean,
            where=lambda c: c.given.get("weight") is not None, stage="loss"),
    written("mean over all positions", "ce-ignore-index-mean", "cross_entropy", losses.class_mean,
            where=lambda c: c.given.get("weight") is None, stage="loss"),
    written("clipped to [1e-7, 1 - 1e-7]", "bce-clipping", "binary_cross_entropy", losses.keras_binary, stage="loss"),
    written("probabilities taken for logits", "bce-on-probabilities-as-logits", "binary_cross_entropy",
            lambda c: F.binary_cross_entropy_with_logits(**named(c, "input target reduction")), stage="loss"),
    written("logits taken for probabilities", "bce-from-logits-default", "binary_cross_entropy_with_logits",
            losses.keras_binary,
            stage="loss"),
    written("sum of means over the last axis", "reduction-sum-drops-last-axis", LOSSES, losses.last_axis,
            where=losses.wide, stage="loss"),
    written("mean over examples of sums", "loss-sum-over-axis", LOSSES, losses.axis_sum, where=losses.wide, stage="loss"),
    written("halved", "loss-scaled", LOSSES, lambda c: c.run() / 2, where=arithmetic.learns, stage="loss"),
    written("doubled", "loss-scaled", LOSSES, lambda c: c.run() * 2, where=arithmetic.learns, stage="loss"),
    written("sum of losses halved", "loss-scaled", "add sub", lambda c: c.run() / 2, where=losses.of_losses, stage="loss"),
    written("sum of losses doubled", "loss-scaled", "add sub", lambda c: c.run() * 2, where=losses.of_losses, stage="loss"),
    written("input and target broadcast", "mse-broadcast-n1-vs-n", "mse_loss l1_loss smooth_l1_loss",
            lambda c: c.run(input=c.given["input"].reshape(-1, 1), target=c.given["target"].reshape(1, -1)), stage="loss"),
    written("target and input exchanged", "kldiv-argument-order-and-space", "kl_div",
            losses.exchanged, stage="loss"),
    written("summed", "loss-sum-for-mean", "mean", lambda c: torch.sum(*c.args, **c.named)),
    written("averaged", "loss-sum-for-mean", "sum", lambda c: torch.mean(*c.args, **c.named),
            where=lambda c: c.first is not None and c.first.is_floating_point()),
    written("flattened with channels last", "flatten-order-nchw-nhwc", "flatten reshape view", windows.channels_last,
            where=windows.images),
    written("reshaped", "nchw-data-reshaped-to-nhwc", "transpose permute", windows.reshaped),
    written("half of the sum of squares", "l2-loss-half-factor", "div mul __rmul__", arithmetic.one,
            where=lambda c: arithmetic.number(c) in (2.0, 0.5) and arithmetic.of_squares(c)),
    written("the number left out", "factor-omitted", "div mul __rmul__", arithmetic.one,
            where=lambda c: arithmetic.number(c) not in (None, 0.0, 1.0) and not arithmetic.of_squares(c)),
    written("the second factor left out", "factor-omitted", "mul div", lambda c: c.args[0], where=arithmetic.two_tensors),
    Change("a part of the number left out", "factor-omitted", frozenset({"div", "mul", "__rmul__"}), "outputs",
            arithmetic.divided,
           lambda call, s: call.function(call.args[0], s["number"], *call.args[2:], **call.named)),
    written("applied twice", "factor-twice", "div mul __rmul__", lambda c: c.function(c.run(), c.args[1]),
            where=lambda c: arithmetic.number(c) not in (None, 0.0, 1.0)),
    written("the second term left out", "term-omitted", "add sub __add__ __sub__", lambda c: c.args[0],
            where=arithmetic.two_tensors),
    written("the first term left out", "term-omitted", "add", lambda c: c.args[1], where=arithmetic.either),
    written("the second term times zero", "term-omitted", "add sub __add__ __sub__",
            lambda c: c.function(c.args[0], 0 * c.args[1]), where=arithmetic.second_learns),
    written("subtracted for added", "sign-exchanged", "add", lambda c: c.args[0] - c.args[1], where=arithmetic.two_tensors),
    written("added for subtracted", "sign-exchanged", "sub", lambda c: c.args[0] + c.args[1], where=arithmetic.two_tensors),
    written("joined in the opposite order", "concatenation-order", "cat", arithmetic.backwards,
            where=lambda c: isinstance(c.args[0], list | tuple) and len(c.args[0]) > 1),
    written("cropped as SAME", "convtranspose-same-crop", "conv_transpose1d conv_transpose2d", windows.same_transposed,
            where=windows.padded),
    written("squared", "l2-norm-not-squared", "abs", lambda c: c.first.square()),  # type: ignore[union-attr]
    written("of matrices alone", "l2-biases-and-norms-included", "pow square abs norm", arithmetic.matrices,
            where=arithmetic.of_parameter),
    written("left out", "attention-mask-omitted", "masked_fill", lambda c: c.first),
    written("its input's axes reshaped", "nchw-data-reshaped-to-nhwc", "conv1d conv2d conv3d", windows.laid_wrong,
            where=windows.of_data),
    written("without dilation, the end kept", "dilation-omitted", "conv1d conv2d conv3d", lambda c: windows.undilated(c,
            end=True),
            where=windows.dilated),
    written("without dilation, the middle kept", "dilation-omitted", "conv1d conv2d conv3d",
            lambda c: windows.undilated(c, end=False),
            where=windows.dilated),
    *(written(f"Huber's loss of delta {delta}", "smoothl1-beta-vs-huber-delta", "smooth_l1_loss",
              lambda c, delta=delta: losses.bent(c, delta), stage="loss") for delta in (1.0, 0.5, 0.1)),  # type: ignore[misc]
    written("norm not squared", "l2-norm-not-squared", "square", lambda c: c.first.abs()),  # type: ignore[union-attr]
    written("no gradient through it", "gradient-stopped",
            f"{SAME_SHAPE} {LOSSES} linear conv1d conv2d conv3d embedding add sub mul div matmul mean sum log exp sqrt square "
            "pow clamp cat stack gather lstm gru __getitem__", arithmetic.stopped, where=arithmetic.learns, stage="grads"),
    written("no gradient through the first operand", "gradient-stopped", "add sub mul div matmul",
            arithmetic.first_fixed, where=arithmetic.learns,
            stage="grads"),
    written("no gradient through the second operand", "gradient-stopped", "add sub mul div matmul", arithmetic.second_fixed,
            where=arithmetic.second_learns, stage="grads"),
    written("gradient not stopped", "td-target-without-stop-gradient", "detach", lambda c: c.args[0], where=arithmetic.learns,
            stage="grads"),
    written("gradient passed on", "clip-by-value-boundary-gradient", "clamp round sign", arithmetic.straight,
            where=arithmetic.learns, stage="grads"),
    Change("another activation", "activation-other", frozenset(layers.ACTIVATIONS), "outputs", layers.activations,
           lambda call, s: layers.ACTIVATIONS[str(s["activation"])](call.first)),
)  # fmt: skip
"""Every change of a call, the commonest first; where two come to the same in a run, the first is told."""


@cache
def by_function() -> dict[str, tuple[Change, ...]]:
    """The changes of each torch function."""
    names = {name for change in CHANGES for name in change.functions}
    return {name: tuple(change for change in CHANGES if name in change.functions) for name in names}
