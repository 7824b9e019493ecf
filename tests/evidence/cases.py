"""Small computations that are written in two ways: valid rewrites, which are equal in exact arithmetic, and faults.

A case has inputs that float32 holds exactly, a reference and a port. Both take the inputs in either precision and answer
a list of arrays, one per step. Nothing here knows how it will be judged.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch  # isort: skip  (before tensorflow: the other order crashes)

import numpy as np
import tensorflow as tf
from torch.nn import functional

Array = np.ndarray
Side = Callable[..., Any]

STEPS = 20
RATE, BETAS, EPS = 0.01, (0.9, 0.999), 1e-8
MAX_NORM = 1.0


@dataclass(frozen=True)
class Case:
    """One rewrite or fault. ``reference`` and ``port`` take the inputs, in one precision, and answer an array per step."""

    name: str
    valid: bool
    inputs: tuple[Array, ...]
    reference: Side
    port: Side

    def run(self, side: Side, dtype: str, *, nudge: float = 0.0) -> list[Array]:
        """One side's arrays in a precision; ``nudge`` moves about half of the inputs by so much towards zero."""
        coins = np.random.default_rng(0)
        moved = [x * (1 - nudge * coins.integers(0, 2, x.shape)) if x.dtype.kind == "f" else x for x in self.inputs]
        with np.errstate(all="ignore"):
            outcome = side(*(x.astype(dtype) if x.dtype.kind == "f" else x for x in moved))
        arrays = [np.asarray(a) for a in (outcome if isinstance(outcome, list) else [outcome])]
        assert all(a.dtype == dtype for a in arrays), f"{self.name}: {[a.dtype for a in arrays]} in the {dtype} run"
        return arrays


def numbers(name: str, *shape: int, scale: float = 1.0, offset: float = 0.0) -> Array:
    """Normal numbers that float32 holds exactly; every name has a stream of its own."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return (rng.standard_normal(shape) * scale + offset).astype(np.float32).astype(np.float64)


def by_torch(function: Callable[..., Any]) -> Side:
    """A torch function as a side."""
    return lambda *arrays: function(*map(torch.from_numpy, arrays)).numpy()


def by_tensorflow(function: Callable[..., Any]) -> Side:
    """A TensorFlow function as a side."""
    return lambda *arrays: function(*map(tf.constant, arrays)).numpy()


# Products and sums.


def row_by_row(x: Any, w: Any) -> Any:
    return torch.stack([torch.mv(w.T.contiguous(), row) for row in x])


def in_sequence(x: Array, w: Array) -> Array:
    return np.stack([np.cumsum(x * column, axis=1)[:, -1] for column in w.T], axis=1)


def from_the_last(x: Array, w: Array) -> Array:
    """In sequence, but an order that no library's product has: two products may be equal to the last bit."""
    return in_sequence(x[:, ::-1], w[::-1])


def in_blocks(x: Array, w: Array, size: int = 128) -> Array:
    total = x[:, :size] @ w[:size]
    for i in range(size, x.shape[1], size):
        total = total + x[:, i : i + size] @ w[i : i + size]
    return total


def product(k: int, scale: float = 1.0) -> tuple[Array, Array]:
    return numbers(f"x{k}", 8, k, scale=scale), numbers(f"w{k}", k, 4)


def expanded_distances(a: Array, b: Array) -> Array:
    return (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T


# Normalization.


def one_pass(x: Array, axis: int = -1) -> Array:
    return (x * x).mean(axis, keepdims=True) - x.mean(axis, keepdims=True) ** 2


def layer_norm(eps: float, variance: Callable[[Array], Array] = lambda x: x.var(-1, keepdims=True)) -> Side:
    return lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(variance(x) + eps)


def torch_layer_norm(x: Any) -> Any:
    return functional.layer_norm(x, x.shape[-1:], eps=1e-5)


def batch_norm(eps: float = 1e-5) -> Side:
    return lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + eps)


def torch_running_variance(x: Any) -> Any:
    variance = torch.ones(x.shape[1], dtype=x.dtype)
    functional.batch_norm(x, torch.zeros_like(variance), variance, training=True)
    return variance


def running_variance(momentum: float = 0.1, unbiased: int = 1) -> Side:
    return lambda x: (1 - momentum) + momentum * x.var(0, ddof=unbiased)


# Convolution and pooling, torch's NCHW outside.


def torch_conv(x: Any, w: Any) -> Any:
    return functional.conv2d(x, w, padding=1)


def channels_last(x: Any, w: Any) -> Any:
    x, w = tf.transpose(x, [0, 2, 3, 1]), tf.transpose(w, [2, 3, 1, 0])
    return tf.transpose(tf.nn.conv2d(x, w, 1, "SAME"), [0, 3, 1, 2])


def patches(x: Array, w: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, w[0].size)
    return (columns @ w.reshape(len(w), -1).T).reshape(len(x), *x.shape[2:], len(w)).transpose(0, 3, 1, 2)


def same_padding(x: Any, w: Any) -> Any:
    x, w = tf.transpose(x, [0, 2, 3, 1]), tf.transpose(w, [2, 3, 1, 0])
    return tf.transpose(tf.nn.conv2d(x, w, 2, "SAME"), [0, 3, 1, 2])


def average_pooling(x: Any) -> Any:
    return tf.transpose(tf.nn.avg_pool2d(tf.transpose(x, [0, 2, 3, 1]), 3, 1, "SAME"), [0, 3, 1, 2])


# Losses.


def clipped_bce(p: Array, y: Array) -> Array:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def smoothed(logits: Array, target: Array, classes_that_share: int) -> Array:
    logged = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    on = np.eye(logits.shape[1], dtype=logits.dtype)[target]
    soft = on * 0.9 + 0.1 / classes_that_share * (1 if classes_that_share == logits.shape[1] else 1 - on)
    return -(soft.astype(logits.dtype) * logged).sum(1)


# Optimizers: the gradients are inputs, one per step; the answer is the parameter after every step.


def torch_optimizer(make: Callable[[Any], torch.optim.Optimizer]) -> Side:
    def run(start: Array, grads: Array) -> list[Array]:
        parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
        optimizer = make([parameter])
        seen = []
        for grad in grads:
            parameter.grad = torch.from_numpy(grad)
            optimizer.step()
            seen.append(parameter.detach().numpy().copy())
        return seen

    return run


def adam(
    *,
    lr: float = RATE,
    betas: tuple[float, float] = BETAS,
    eps: float = EPS,
    where: str = "outside",
    correct: tuple[bool, bool] = (True, True),
    largest: bool = False,
    coupled: float = 0.0,
    decoupled: float = 0.0,
    weighted: bool = False,
) -> Side:
    """torch's Adam from its documentation, with one slip at a time."""

    def run(p: Array, grads: Array) -> list[Array]:
        m, v, top, seen = 0 * p, 0 * p, 0 * p, []
        for t, grad in enumerate(grads, start=1):
            g = grad + coupled * p
            p = p * (1 - lr * decoupled)
            m = betas[0] * m + (1 - betas[0]) * g if weighted else m + (1 - betas[0]) * (g - m)
            v = betas[1] * v + (1 - betas[1]) * g * g
            top = np.maximum(top, v)
            c1 = 1 - betas[0] ** t if correct[0] else 1.0
            c2 = 1 - betas[1] ** t if correct[1] else 1.0
            root = np.sqrt((top if largest else v) / c2 + (eps if where == "inside" else 0.0))
            below = root + {"outside": eps, "hat": eps / c2**0.5, "inside": 0.0}[where]
            p = p - lr / c1 * m / below
            seen.append(p)
        return seen

    return run


def momentum(*, nesterov: bool, late: int = 0) -> Side:
    """Momentum at a rate that is halved from the fourth step on."""

    def run(p: Array, grads: Array) -> list[Array]:
        buffer, seen = None, []
        for t, g in enumerate(grads):
            buffer = g if buffer is None else 0.9 * buffer + g
            p = p - (0.1 if t < 3 + late else 0.05) * (g + 0.9 * buffer if nesterov else buffer)
            seen.append(p)
        return seen

    return run


def torch_momentum(p: Array, grads: Array) -> list[Array]:
    parameter = torch.nn.Parameter(torch.from_numpy(p.copy()))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    seen = []
    for t, grad in enumerate(grads):
        parameter.grad = torch.from_numpy(grad)
        optimizer.step()
        if t < 3:
            schedule.step()
        seen.append(parameter.detach().numpy().copy())
    return seen


def torch_clip(*grads: Array) -> Array:
    params = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.from_numpy(g).dtype)) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.from_numpy(g.copy())
    torch.nn.utils.clip_grad_norm_(params, MAX_NORM)
    return np.concatenate([p.grad.numpy().ravel() for p in params])


def clip(*, tiny: float = 1e-6, each: bool = False, flat: bool = False) -> Side:
    def run(*grads: Array) -> Array:
        squares = [(g * g).sum() for g in grads]
        whole = np.concatenate([g.ravel() for g in grads])
        norm = np.sqrt((whole * whole).sum() if flat else sum(squares))
        norms = [np.sqrt(s) for s in squares] if each else [norm] * len(grads)
        scaled = [g * np.minimum(1, MAX_NORM / (n + tiny)) for g, n in zip(grads, norms, strict=True)]
        return np.concatenate([g.ravel() for g in scaled]).astype(grads[0].dtype)

    return run


def shown(change: Callable[[Array], Any]) -> tuple[Side, Side]:
    """A reference that shows its input, and a port that shows it changed."""
    return (lambda x: x), (lambda x: np.asarray(change(x)).astype(x.dtype))


def with_nan(x: Array, *index: int) -> Array:
    x = x.copy()
    x[index] = np.nan
    return x


SQUARE = numbers("square", 4, 4)
IMAGES, KERNEL = numbers("images", 2, 3, 8, 8), numbers("kernel", 5, 3, 3, 3, scale=0.2)
ROWS, FAR = numbers("rows", 16, 64), numbers("far", 16, 256, offset=10.0)
FURTHER = numbers("further", 16, 256, offset=20.0)
LOGITS, CLASSES = numbers("logits", 16, 10, scale=3.0), np.arange(16) % 10
PROBABILITIES = (1 / (1 + np.exp(-numbers("p", 64, scale=8.0)))).astype(np.float32).astype(np.float64)
LABELS = (numbers("labels", 64) > 0).astype(np.float64)
# Gradients of the sizes that one network has: from 1e-3 to 1.
START = numbers("start", 4, 6)
GRADS = (numbers("grads", STEPS, 4, 6) * np.logspace(-3, 0, 6)).astype(np.float32).astype(np.float64)
PARTS = numbers("part 0", 8, 8), numbers("part 1", 8), numbers("part 2", 8, 3)
ADAM = torch_optimizer(lambda p: torch.optim.Adam(p, lr=RATE, foreach=False))
ADAM_DECAY = torch_optimizer(lambda p: torch.optim.Adam(p, lr=RATE, weight_decay=0.01, foreach=False))
NOISE = numbers("noise", 4, 4) - numbers("noise", 4, 4).mean()


def valid_rewrites() -> list[Case]:
    """Equal in exact arithmetic, and each of them somebody's port."""
    logsumexp = by_torch(lambda x: torch.logsumexp(x, 1))
    softplus = by_torch(functional.logsigmoid)
    rows: Sequence[tuple[str, tuple[Array, ...], Side, Side]] = [
        ("product over 4096 terms, one after the other", product(4096), by_torch(row_by_row), in_sequence),
        ("product over 11008 terms, one after the other", product(11008), by_torch(row_by_row), in_sequence),
        ("product over 11008 terms, in blocks of 128", product(11008), by_torch(torch.mm), in_blocks),
        ("product of values near 1e5, last term first", product(64, 1e5), by_torch(torch.mm), from_the_last),
        ("squared distances, expanded", (numbers("a", 8, 32, offset=5.0), numbers("b", 8, 32, offset=5.0)),
         lambda a, b: ((a[:, None] - b[None]) ** 2).sum(-1), expanded_distances),
        ("variance in one pass, mean 10", (FAR,), by_torch(lambda x: x.var(1, correction=0, keepdim=True)), one_pass),
        ("layer normalization, variance in one pass, mean 20", (FURTHER,), by_torch(torch_layer_norm),
         layer_norm(1e-5, one_pass)),
        ("logsumexp without a shift", (LOGITS,), logsumexp, lambda x: np.log(np.exp(x).sum(1))),
        ("logsumexp by logaddexp, term after term", (LOGITS,), logsumexp, lambda x: np.logaddexp.reduce(x, axis=1)),
        ("logsumexp by TensorFlow", (LOGITS,), logsumexp, by_tensorflow(lambda x: tf.reduce_logsumexp(x, 1))),
        ("log-sigmoid as -log(1 + exp(-x))", (LOGITS,), softplus, lambda x: -np.log(1 + np.exp(-x))),
        ("cross-entropy by TensorFlow", (LOGITS, CLASSES),
         by_torch(lambda x, y: functional.cross_entropy(x, y, reduction="none")),
         by_tensorflow(lambda x, y: tf.nn.sparse_softmax_cross_entropy_with_logits(y, x))),
        ("convolution, channels last", (IMAGES, KERNEL), by_torch(torch_conv), by_tensorflow(channels_last)),
        ("convolution as a matmul of patches", (IMAGES, KERNEL), by_torch(torch_conv), patches),
        ("Adam, moments as weighted sums, 20 steps", (START, GRADS), ADAM, adam(weighted=True)),
        ("clipping, norm over all variables at once", PARTS, torch_clip, clip(flat=True)),
    ]  # fmt: skip
    return [Case(name, True, inputs, reference, port) for name, inputs, reference, port in rows]


def faults() -> list[Case]:
    """Mistakes that somebody made, or that a published check is known to let through."""
    dense = by_torch(lambda x, w: x @ w.T)
    conv = by_torch(torch_conv)
    smooth = by_torch(lambda x, y: functional.cross_entropy(x, y, reduction="none", label_smoothing=0.1))
    optimizer = (START, GRADS)
    rows: Sequence[tuple[str, tuple[Array, ...], Side, Side]] = [
        ("square kernel not transposed", (ROWS[:, :4], SQUARE), dense, lambda x, w: x @ w),
        ("rows of the batch permuted", (SQUARE,), *shown(lambda x: x[::-1])),
        ("noise that keeps the mean", (SQUARE,), *shown(lambda x: x + NOISE)),
        ("height and width swapped", (IMAGES, KERNEL), conv, lambda x, w: patches(x, w).swapaxes(2, 3)),
        ("flattened channels last", (IMAGES,), lambda x: x.reshape(2, -1),
         lambda x: x.transpose(0, 2, 3, 1).reshape(2, -1)),
        ("shape [4, 1] for [4]", (np.ones(4),), *shown(lambda x: x[:, None])),
        ("NaN in one element", (SQUARE,), *shown(lambda x: with_nan(x, 1, 2))),
        ("NaN where the reference is 0", (np.array([1.0, 0.0]),), *shown(lambda x: with_nan(x, 1))),
        ("nothing but NaN", (SQUARE,), *shown(lambda x: x * np.nan)),
        ("0.4 for 0.0", (np.zeros(1),), *shown(lambda x: x + 0.4)),
        ("110 for 100", (np.full(1, 100.0),), *shown(lambda x: x * 1.1)),
        ("5 % off at 1e-3", (numbers("small", 4, 4, scale=1e-4),), *shown(lambda x: x * 1.05)),
        ("scaled by 1 + 1e-6", product(4096), by_torch(torch.mm), lambda x, w: x @ w * (1 + 1e-6)),
        ("batch normalization, epsilon 1e-3", (ROWS,), by_torch(lambda x: functional.batch_norm(
            x, None, None, training=True)), batch_norm(1e-3)),
        ("running variance biased", (ROWS,), by_torch(torch_running_variance), running_variance(unbiased=0)),
        ("running variance, momentum 0.99", (ROWS,), by_torch(torch_running_variance), running_variance(0.01)),
        ("layer normalization, epsilon 1e-6", (ROWS,), by_torch(torch_layer_norm), layer_norm(1e-6)),
        ("layer normalization, epsilon off by 1e-9", (ROWS,), by_torch(torch_layer_norm), layer_norm(1e-5 + 1e-9)),
        ("GELU by tanh", (ROWS,), by_torch(functional.gelu),
         by_torch(lambda x: functional.gelu(x, approximate="tanh"))),
        ("leaky slope 0.2", (ROWS,), by_torch(functional.leaky_relu), lambda x: np.where(x > 0, x, x * 0.2)),
        ("cross-entropy of probabilities clipped at 1e-7", (PROBABILITIES, LABELS),
         by_torch(lambda p, y: functional.binary_cross_entropy(p, y, reduction="none")), clipped_bce),
        ("label smoothing over the other classes only", (LOGITS, CLASSES), smooth, lambda x, y: smoothed(x, y, 9)),
        ("'same' padding with stride 2", (IMAGES, KERNEL), by_torch(lambda x, w: functional.conv2d(
            x, w, stride=2, padding=1)), by_tensorflow(same_padding)),
        ("average pooling, padding not counted", (IMAGES,), by_torch(lambda x: functional.avg_pool2d(x, 3, 1, 1)),
         by_tensorflow(average_pooling)),
        ("Adam, epsilon 1e-7", optimizer, ADAM, adam(eps=1e-7)),
        ("Adam, epsilon before the bias correction", optimizer, ADAM, adam(where="hat")),
        ("Adam, epsilon inside the root", optimizer, ADAM, adam(where="inside")),
        ("Adam, beta2 0.9991", optimizer, ADAM, adam(betas=(0.9, 0.9991))),
        ("Adam, beta1 0.91", optimizer, ADAM, adam(betas=(0.91, 0.999))),
        ("Adam, rate off by 0.1 %", optimizer, ADAM, adam(lr=RATE * 1.001)),
        ("Adam, rate off by 1e-6", optimizer, ADAM, adam(lr=RATE * (1 + 1e-6))),
        ("Adam, mean not corrected", optimizer, ADAM, adam(correct=(False, True))),
        ("Adam, variance not corrected", optimizer, ADAM, adam(correct=(True, False))),
        ("Adam, amsgrad switched on", optimizer, ADAM, adam(largest=True)),
        ("Adam, decay of 1e-6 added", optimizer, ADAM, adam(coupled=1e-6)),
        ("Adam, decay decoupled", optimizer, ADAM_DECAY, adam(decoupled=0.01)),
        ("momentum, nesterov left out", optimizer, torch_momentum, momentum(nesterov=False)),
        ("momentum, schedule one step late", optimizer, torch_momentum, momentum(nesterov=True, late=1)),
        ("clipping without the 1e-6", PARTS, torch_clip, clip(tiny=0.0)),
        ("clipping every variable by itself", PARTS, torch_clip, clip(each=True)),
    ]  # fmt: skip
    return [Case(name, False, inputs, reference, port) for name, inputs, reference, port in rows]
