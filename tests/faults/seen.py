"""Where what invites a slip is written down or was reported, by cause; a cause that is not here is a slip of the hand."""

from collections.abc import Mapping

SEEN: Mapping[str, tuple[str, ...]] = {
    "adadelta-defaults": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html",
        "https://keras.io/api/optimizers/adadelta/",
    ),
    "adagrad-eps-placement": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html",
        "https://keras.io/api/optimizers/adagrad/",
    ),
    "adagrad-initial-accumulator": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html",
        "https://keras.io/api/optimizers/adagrad/",
    ),
    "adagrad-lr-decay": ("https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html",),
    "adam-eps-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html",
        "https://keras.io/api/optimizers/adam/",
    ),
    "adam-eps-hat-placement": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html",
        "https://keras.io/api/optimizers/adam/",
    ),
    "adam-sparse-embedding-grad": ("https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html",),
    "adam-weight-decay-coupled": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html",
        "https://keras.io/api/optimizers/adam/",
    ),
    "adamw-decay-not-lr-scaled": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html",
        "https://www.tensorflow.org/addons/api_docs/python/tfa/optimizers/AdamW",
    ),
    "adamw-default-weight-decay": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html",
        "https://keras.io/api/optimizers/adamw/",
    ),
    "adamw-exclude-bias-param-groups": (
        "https://keras.io/api/optimizers/adamw/",
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html",
    ),
    "attention-layer-no-scaling": (
        "https://keras.io/api/layers/attention_layers/attention/",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html",
    ),
    "batchnorm-eps-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
        "https://keras.io/api/layers/normalization_layers/batch_normalization/",
    ),
    "batchnorm-eval-not-restored": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval",
    ),
    "batchnorm-momentum-convention": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
        "https://keras.io/api/layers/normalization_layers/batch_normalization/",
    ),
    "batchnorm-momentum-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
        "https://keras.io/api/layers/normalization_layers/batch_normalization/",
    ),
    "batchnorm-running-var-unbiased": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
        "https://github.com/tensorflow/tensorflow/issues/55545",
    ),
    "batchnorm-training-flag-omitted": (
        "https://keras.io/api/layers/normalization_layers/batch_normalization/",
        "https://www.tensorflow.org/guide/keras/writing_a_training_loop_from_scratch",
    ),
    "bce-from-logits-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html",
        "https://keras.io/api/losses/probabilistic_losses/",
    ),
    "bf16-autocast-vs-keras-mixed-policy": (
        "https://docs.pytorch.org/docs/stable/amp.html#cpu-op-specific-behavior",
        "https://keras.io/api/mixed_precision/",
    ),
    "ce-class-weights-normalisation": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
        "keras/src/losses/loss.py reduce_values",
    ),
    "ce-double-softmax-undone-by-keras": ("keras/src/backend/tensorflow/nn.py _get_logits",),
    "ce-from-logits-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
        "https://keras.io/api/losses/probabilistic_losses/",
    ),
    "ce-ignore-index-mean": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
        "keras/src/losses/losses.py",
    ),
    "clip-global-norm-eps": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
        "https://www.tensorflow.org/api_docs/python/tf/clip_by_global_norm",
    ),
    "clip-indexedslices-duplicate-rows": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
        "https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/ops/clip_ops.py",
    ),
    "clip-keras-clipnorm-per-variable": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
        "https://keras.io/api/optimizers/",
    ),
    "conv-kernel-hw-swapped": ("https://keras.io/api/layers/convolution_layers/convolution2d/",),
    "conv-weight-reshape-instead-of-transpose": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
        "https://keras.io/api/layers/convolution_layers/convolution2d/",
    ),
    "conv2d-same-stride2-asymmetric-padding": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
        "https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2",
    ),
    "convtranspose-same-crop": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html",
        "https://keras.io/api/layers/convolution_layers/convolution2d_transpose/",
    ),
    "dense-square-kernel-not-transposed": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html",
        "https://keras.io/api/layers/core_layers/dense/",
    ),
    "depthwise-multiplier-channel-order": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
        "https://keras.io/api/layers/convolution_layers/depthwise_convolution2d/",
    ),
    "drop-remainder-vs-drop-last": ("https://www.tensorflow.org/api_docs/python/tf/data/Dataset#batch",),
    "dropout-keep-prob-vs-rate": ("https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/dropout",),
    "ema-default-momentum": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.get_ema_multi_avg_fn.html",
        "https://keras.io/api/optimizers/",
    ),
    "ema-initialisation": (
        "keras/src/optimizers/base_optimizer.py _update_model_variables_moving_average",
        "torch/optim/swa_utils.py update_parameters",
    ),
    "ema-num-updates-dynamic-decay": ("https://www.tensorflow.org/api_docs/python/tf/train/ExponentialMovingAverage",),
    "epoch-loss-unweighted-mean-of-batches": (
        "keras/src/trainers/trainer.py loss tracker",
        "https://docs.pytorch.org/tutorials/beginner/introyt/trainingyt.html",
    ),
    "fit-batch-size-default-32": ("https://keras.io/api/models/model_training_apis/#fit-method",),
    "flatten-order-nchw-nhwc": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Flatten.html",
        "https://keras.io/api/layers/reshaping_layers/flatten/",
    ),
    "gan-batch-concatenation-changes-batchnorm": ("https://github.com/soumith/ganhacks",),
    "gan-simultaneous-vs-alternating-update": (
        "https://www.tensorflow.org/tutorials/generative/dcgan",
        "https://docs.pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html",
    ),
    "gelu-tanh-default-in-keras-ops": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.GELU.html",
        "https://keras.io/api/ops/nn/#gelu-function",
    ),
    "grad-accumulation-leftover-window": ("keras/src/optimizers/base_optimizer.py",),
    "groupnorm-eps-and-axis": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html",
        "https://keras.io/api/layers/normalization_layers/group_normalization/",
    ),
    "gru-gate-order": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html",
        "https://keras.io/api/layers/recurrent_layers/gru/",
    ),
    "image-scale-0-255-vs-0-1": (
        "https://docs.pytorch.org/vision/main/generated/torchvision.transforms.ToTensor.html",
        "https://keras.io/api/data_loading/image/",
    ),
    "imagenet-preprocess-mode": (
        "https://keras.io/api/applications/",
        "https://docs.pytorch.org/vision/stable/models.html",
    ),
    "keras3-adam-embedding-duplicate-ids": (
        "keras/src/optimizers/adam.py (ops.square on IndexedSlices)",
        "https://github.com/keras-team/keras/issues/19992 (IndexedSlices handling in Keras 3 optimizers)",
    ),
    "kldiv-argument-order-and-space": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html",
        "https://keras.io/api/losses/probabilistic_losses/",
    ),
    "kldiv-mean-vs-batchmean": ("https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html",),
    "l2-biases-and-norms-included": ("https://docs.pytorch.org/docs/stable/optim.html",),
    "l2-loss-half-factor": ("https://www.tensorflow.org/api_docs/python/tf/nn/l2_loss",),
    "l2-norm-not-squared": ("https://keras.io/api/layers/regularizers/",),
    "l2-regularizer-factor-two": (
        "https://keras.io/api/layers/regularizers/",
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
    ),
    "layernorm-eps-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html",
        "https://keras.io/api/layers/normalization_layers/layer_normalization/",
    ),
    "leaky-relu-slope": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html",
        "https://keras.io/api/layers/activation_layers/leaky_relu/",
    ),
    "lstm-unit-forget-bias": ("https://keras.io/api/layers/recurrent_layers/lstm/",),
    "maxpool-same-vs-padding1": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html",
        "https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2",
    ),
    "metric-reset-state-omitted": ("https://www.tensorflow.org/guide/keras/writing_a_training_loop_from_scratch",),
    "mha-key-padding-mask-polarity": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html",
        "https://keras.io/api/layers/attention_layers/multi_head_attention/",
    ),
    "mha-packed-qkv-split": ("https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html",),
    "mse-broadcast-n1-vs-n": ("https://keras.io/api/losses/regression_losses/",),
    "nadam-momentum-decay": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html",
        "https://keras.io/api/optimizers/Nadam/",
    ),
    "nchw-data-reshaped-to-nhwc": ("https://www.tensorflow.org/api_docs/python/tf/reshape",),
    "recompile-resets-optimizer-state": ("https://keras.io/guides/transfer_learning/",),
    "reduction-sum-drops-last-axis": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html",
        "https://keras.io/api/losses/regression_losses/",
    ),
    "rmsprop-centered": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html",
        "https://keras.io/api/optimizers/rmsprop/",
    ),
    "rmsprop-defaults": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html",
        "https://keras.io/api/optimizers/rmsprop/",
    ),
    "rnn-padded-last-hidden": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html",
        "https://keras.io/guides/understanding_masking_and_padding/",
    ),
    "rnn-stateful-carry": ("https://keras.io/api/layers/recurrent_layers/lstm/",),
    "sched-cosine-beyond-tmax": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html",
        "https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/",
    ),
    "sched-epoch-vs-step": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html",
        "https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay/",
    ),
    "sched-plateau-patience-off-by-one": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html",
        "https://keras.io/api/callbacks/reduce_lr_on_plateau/",
    ),
    "sched-plateau-relative-threshold": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html",
        "https://keras.io/api/callbacks/reduce_lr_on_plateau/",
    ),
    "sched-warmup-first-step-zero": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html",
        "https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/",
    ),
    "sgd-dampening": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
        "https://keras.io/api/optimizers/sgd/",
    ),
    "sgd-weight-decay-coupled-momentum": (
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
        "https://keras.io/api/optimizers/sgd/",
    ),
    "smoothl1-beta-vs-huber-delta": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html",
        "https://keras.io/api/losses/regression_losses/",
    ),
    "softmax-dim-channels": ("https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html",),
    "std-unbiased-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.std.html",
        "https://www.tensorflow.org/api_docs/python/tf/math/reduce_std",
    ),
    "target-network-sync-misses-buffers": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict",
    ),
    "td-target-without-stop-gradient": (
        "https://www.tensorflow.org/api_docs/python/tf/stop_gradient",
        "https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html",
    ),
    "tfdata-batch-before-shuffle": ("https://www.tensorflow.org/guide/data",),
    "tfdata-repeat-before-batch": ("https://www.tensorflow.org/guide/data#processing_multiple_epochs",),
    "transformer-norm-first-default": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoderLayer.html",
    ),
    "triplet-pairwise-eps-and-zero-distance": (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.TripletMarginLoss.html",
        "https://github.com/tensorflow/tensorflow/issues/30199",
    ),
    "zero-grad-omitted": ("https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html",),
}
