"""TensorFlow and Keras parts that do exactly what their PyTorch namesakes do.

A part exists only where Keras' own cannot do it with the right arguments; `harness.faithful.table` lists both kinds.
Names are resolved on first use (PEP 562), so that importing this package loads no framework.
"""

from importlib import import_module
from inspect import isfunction
from typing import Any

from harness.faithful.traced import as_it_stands

_MODULES: dict[str, tuple[str, ...]] = {
    "adam": ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SparseAdam"),
    "adafactor": ("Adafactor",),
    "activation": ("GELU", "LeakyReLU", "PReLU", "Softplus"),
    "attention": ("MultiheadAttention",),
    "convolution": ("ConvTranspose1d", "ConvTranspose2d"),
    "ctc": ("ctc_loss",),
    "distance": (
        "cosine_embedding_loss",
        "cosine_similarity",
        "normalize",
        "pairwise_distance",
        "triplet_margin_loss",
    ),
    "clipping": ("clip_grad_norm", "clip_grad_value", "clip_grads_with_norm", "get_total_norm"),
    "dropout": ("Dropout",),
    "embedding": ("Embedding",),
    "functional": (
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cross_entropy",
        "gaussian_nll_loss",
        "huber_loss",
        "kl_div",
        "nll_loss",
        "poisson_nll_loss",
        "smooth_l1_loss",
    ),
    "grad_scaler": ("GradScaler",),
    "lbfgs": ("LBFGS",),
    "losses": (
        "BCELoss",
        "BCEWithLogitsLoss",
        "CTCLoss",
        "CosineEmbeddingLoss",
        "CrossEntropyLoss",
        "GaussianNLLLoss",
        "HuberLoss",
        "KLDivLoss",
        "NLLLoss",
        "PoissonNLLLoss",
        "SmoothL1Loss",
        "TripletMarginLoss",
    ),
    "muon": ("Muon",),
    "normalization": ("BatchNorm", "SyncBatchNorm"),
    "optimizers": ("ASGD", "SGD", "Adadelta", "Adagrad", "RMSprop", "Rprop"),
    "pooling": ("AvgPool2d", "MaxPool2d"),
    "recurrent": ("GRU", "LSTM", "RNN"),
    "resampling": ("Upsample", "interpolate"),
    "scatter": ("scatter_reduce", "segment_reduce"),
    "transformer": ("TransformerEncoderLayer",),
    "combined_schedules": ("ChainedScheduler", "SequentialLR"),
    "cyclic_schedules": ("CyclicLR", "OneCycleLR"),
    "ema": (
        "AveragedModel",
        "get_ema_avg_fn",
        "get_ema_multi_avg_fn",
        "get_swa_avg_fn",
        "get_swa_multi_avg_fn",
    ),
    "fake_quantization": ("fake_quantize_per_channel_affine", "fake_quantize_per_tensor_affine"),
    "fit_schedules": ("LRTable", "StepScheduler", "tabulate"),
    "plateau": ("ReduceLROnPlateau",),
    "swa": ("SWALR",),
    "weight_normalization": ("spectral_norm", "weight_norm"),
    "schedules": (
        "ConstantLR",
        "CosineAnnealingLR",
        "CosineAnnealingWarmRestarts",
        "ExponentialLR",
        "LambdaLR",
        "LinearLR",
        "MultiStepLR",
        "MultiplicativeLR",
        "PolynomialLR",
        "StepLR",
    ),
}

_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    try:
        module = _HOME[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = as_it_stands(value) if isfunction(value) else value
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
