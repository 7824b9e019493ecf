"""Wrong optimizers, clippings and averages: each is told from PyTorch's by the four-run rule, on parameters alone.

Every row is a plain NumPy formula with one switch turned, run in float32 and float64 beside torch. The formula with no
switch turned must pass, and so must the rewrites at the end, which are equal in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from faithful_oracle import LIMIT, excess_by_name
from faithful_steps import Record, short, torch_default
from lazily import torch

STEPS = 7
SHAPES = ((4, 3), (3,))
Array = np.ndarray


def slightly(value: float) -> float:
    """Off by one part in a million."""
    return value * (1.0 + 1e-6)


# The rate falls, because several mistakes are invisible while it stands still.
RATES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25)


def gradients(dtype: str, *, at_bound: bool) -> list[list[Array]]:
    """Per step and parameter; their scale varies so that a norm of 2 is above some of them and below others.

    With `at_bound` the first has exactly that norm.
    """
    rng = np.random.default_rng(0)
    scales = (1.0, 2.0, 0.125, 1.0, 0.25, 4.0, 0.0625)
    drawn = [[(rng.standard_normal(s) * scale).astype(np.float32).astype(dtype) for s in SHAPES] for scale in scales]
    if at_bound:
        drawn[0] = [np.zeros(shape, dtype) for shape in SHAPES]
        drawn[0][0][1, 2] = MAX_NORM
    return drawn


def starts(dtype: str) -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal(s).astype(np.float32).astype(dtype) for s in SHAPES]


# The formulas: `s` keeps the state of one parameter, `h` holds hyperparameters, switches and the step `t` from 1.


def sgd(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    if h.decay == "coupled":
        g = g + h.weight_decay * p
    elif h.decay == "half":
        g = g + 0.5 * h.weight_decay * p
    elif h.decay == "of zero":
        g = g + h.weight_decay * np.sign(p)
    used = g
    if h.momentum:
        rate = h.lr if h.rate_in_buffer else 1.0
        keep = 1.0 - (h.momentum if h.average else h.dampening)
        if "buffer" not in s and not h.dampen_first and not h.average:
            s["buffer"] = rate * g
        else:
            s["buffer"] = h.momentum * s.get("buffer", 0.0 * g) + keep * rate * g
        # Divided here because the rate multiplies everything below; the rate that entered earlier stays in.
        used = s["buffer"] / h.lr if h.rate_in_buffer else s["buffer"]
        if h.ahead == "torch":
            used = g + h.momentum * used
        elif h.ahead == "no gradient":
            used = h.momentum * used
        elif h.ahead == "twice the buffer":
            used = used + h.momentum * used
    if h.decay == "behind momentum":
        used = used + h.weight_decay * p
    if h.decay == "decoupled":
        p = p * (1.0 - h.lr * h.weight_decay)
    if h.decay == "decoupled, no rate":
        p = p * (1.0 - h.weight_decay)
    return p - h.lr * used


def adam(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    beta1, beta2 = h.betas
    raw = g
    if h.decay == "coupled":
        g = g + h.weight_decay * p
    elif h.decay == "half":
        g = g + 0.5 * h.weight_decay * p
    elif h.decay == "decoupled":
        p = p * (1.0 - h.lr * h.weight_decay)
    elif h.decay == "decoupled, no rate":
        p = p * (1.0 - h.weight_decay)
    elif h.decay == "decoupled, first rate":
        p = p * (1.0 - h.first_lr * h.weight_decay)
    before = p
    old = s.get("m", 0.0 * g)
    m = s["m"] = beta1 * old + (1.0 - beta1) * g if h.first_moment == "weights" else old + (1.0 - beta1) * (g - old)
    squared = {"gradient": g, "without decay": raw, "mean": m, "surprise": g - m}[h.squares] ** 2
    v = s["v"] = beta2 * s.get("v", 0.0 * g) + (1.0 - beta2) * squared
    steps = {"per step": h.t, "from 0": h.t + 1, "never moves": 1}[h.count]
    c1 = 1.0 - beta1**steps if h.correct in ("both", "first") else 1.0
    c2 = 1.0 - beta2**steps if h.correct in ("both", "second") else 1.0
    if h.largest == "uncorrected":
        v = s["max"] = np.maximum(s.get("max", 0.0 * v), v)
    elif h.largest == "corrected":
        v = c2 * np.maximum(s.get("max", 0.0 * v), v / c2)
        s["max"] = v / c2
    elif h.largest == "of this step and the last":
        v, s["max"] = np.maximum(s.get("max", 0.0 * v), v), v
    elif h.largest == "kept as second moment":
        v = s["v"] = np.maximum(s.get("max", 0.0 * v), v)
        s["max"] = v
    elif h.largest == "roots":
        s["max"] = np.maximum(s.get("max", 0.0 * v), np.sqrt(v))
        v = s["max"] ** 2
    root = {
        "outside": lambda: np.sqrt(v) / c2**0.5 + h.eps,
        "inside": lambda: np.sqrt(v / c2 + h.eps),
        "hat": lambda: (np.sqrt(v) + h.eps) / c2**0.5,
        "hat, rewritten": lambda: (np.sqrt(v) + h.eps * c2**0.5) / c2**0.5,
        "none": lambda: np.sqrt(v) / c2**0.5,
        "maximum": lambda: np.maximum(np.sqrt(v) / c2**0.5, h.eps),
        "no root": lambda: v / c2 + h.eps,
        "correction not rooted": lambda: np.sqrt(v) / c2 + h.eps,
    }[h.epsilon]()
    if h.nesterov:
        m = beta1 * m + (1.0 - beta1) * g
    update = (h.lr / c1) * m / root
    if h.decay == "decoupled, after":
        return (p - update) * (1.0 - h.lr * h.weight_decay)
    if h.decay == "decoupled, at once":
        return before - update - h.lr * h.weight_decay * before
    if h.decay == "inside the update":
        return p - (h.lr / c1) * (m / root + h.weight_decay * p)
    return p - update


def rmsprop(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    if h.decay == "coupled":
        g = g + h.weight_decay * p
    elif h.decay == "decoupled":
        p = p * (1.0 - h.lr * h.weight_decay)
    square = s["square"] = h.alpha * s.get("square", 0.0 * g + h.start) + (1.0 - h.alpha) * g * g
    old = s.get("mean", 0.0 * g)
    s["mean"] = h.alpha * old + (1.0 - h.alpha) * g
    variance = square - {"new": s["mean"], "old": old, "none": 0.0}[h.center] ** 2
    if h.epsilon == "inside":
        root = np.sqrt(variance + h.eps)
    elif h.epsilon == "maximum":
        root = np.sqrt(np.maximum(variance, h.eps))
    else:
        root = np.sqrt(variance) + h.eps
    step = g / root
    if h.buffer == "rate outside":
        s["buffer"] = step = h.momentum * s.get("buffer", 0.0 * g) + step
    elif h.buffer == "rate inside":
        s["buffer"] = h.momentum * s.get("buffer", 0.0 * g) + h.lr * step
        return p - s["buffer"]
    elif h.buffer == "of gradients":
        s["buffer"] = h.momentum * s.get("buffer", 0.0 * g) + g
        step = s["buffer"] / root
    return p - h.lr * step


def adagrad(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    total = s.get("sum", 0.0 * g + h.initial_accumulator_value)
    s["sum"] = total + g * g
    total = total if h.sum_before else s["sum"]
    rate = h.lr / (1.0 + (h.t - 1 + h.late) * h.lr_decay)
    return p - rate * g / (np.sqrt(total + h.eps) if h.epsilon == "inside" else np.sqrt(total) + h.eps)


def adadelta(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    square = s["square"] = h.rho * s.get("square", 0.0 * g) + (1.0 - h.rho) * g * g
    moved = s.get("moved", 0.0 * g)
    if h.epsilon == "outside":
        delta = (np.sqrt(moved) + h.eps) / (np.sqrt(square) + h.eps) * g
    else:
        delta = np.sqrt(moved + h.eps) / np.sqrt(square + h.eps) * g
    step = h.lr * delta
    s["moved"] = h.rho * moved + (1.0 - h.rho) * (step if h.accumulate_step else delta) ** 2
    return p - step


def adamax(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    beta1, beta2 = h.betas
    m = s["m"] = beta1 * s.get("m", 0.0 * g) + (1.0 - beta1) * g
    size = np.abs(g) + (h.eps if h.epsilon == "in the maximum" else 0.0)
    u = s["u"] = np.maximum(beta2 * s.get("u", 0.0 * g), size)
    return p - (h.lr / (1.0 - beta1**h.t if h.correct else 1.0)) * m / (u + (h.eps if h.epsilon == "outside" else 0.0))


def nadam(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    beta1, beta2 = h.betas
    mu, mu_next = (beta1 * (1.0 - 0.5 * 0.96 ** (step * h.momentum_decay)) for step in (h.t, h.t + 1))
    if h.schedule == "none":
        mu = mu_next = beta1
    elif h.schedule == "this step":
        mu_next = mu
    product = s["product"] = s.get("product", 1.0) * mu
    m = s["m"] = beta1 * s.get("m", 0.0 * g) + (1.0 - beta1) * g
    v = s["v"] = beta2 * s.get("v", 0.0 * g) + (1.0 - beta2) * g * g
    c2 = 1.0 - beta2**h.t
    root = np.sqrt(v / c2 + h.eps) if h.epsilon == "inside" else np.sqrt(v / c2) + h.eps
    next_product = product if h.product_behind else product * mu_next
    return p - h.lr * ((1.0 - mu) / (1.0 - product) * g + mu_next / (1.0 - next_product) * m) / root


def radam(p: Array, g: Array, s: dict[str, Any], h: Any) -> Array:
    beta1, beta2 = h.betas
    m = s["m"] = beta1 * s.get("m", 0.0 * g) + (1.0 - beta1) * g
    v = s["v"] = beta2 * s.get("v", 0.0 * g) + (1.0 - beta2) * g * g
    c2 = 1.0 - beta2**h.t
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * h.t * beta2**h.t / c2
    step = m / (1.0 - beta1**h.t)
    if length > h.threshold:
        rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        root = np.sqrt(v / c2) + h.eps if h.epsilon == "corrected" else (np.sqrt(v) + h.eps) / c2**0.5
        step = (rectified**0.5 if h.rectify == "root" else {"none": 1.0, "no root": rectified}[h.rectify]) * step / root
    elif h.warm_up == "nothing":
        return p
    return p - h.lr * step


def clipped(grads: list[Array], h: Any) -> list[Array]:
    norms = [float(np.sqrt((g.astype(np.float64) ** 2).sum())) for g in grads]
    total = float(np.hypot(*norms))
    if h.clip == "by value":
        return [np.clip(g, -h.max_norm, h.max_norm) for g in grads]
    if h.clip == "each by its norm":
        return [g * min(h.max_norm / (norm + 1e-6), 1.0) for g, norm in zip(grads, norms, strict=True)]
    if h.clip == "sum of norms":
        total = sum(norms)
    elif h.clip == "largest element":
        total = float(max(np.abs(g).max() for g in grads))
    elif h.clip == "mean square":
        total /= sum(g.size for g in grads) ** 0.5
    elif h.clip == "elements halved":
        total *= 0.5
    factor = h.max_norm / (total + h.tiny)
    if h.clip == "compared without the constant":
        factor = factor if total > h.max_norm else 1.0
    elif h.clip == "in two branches":
        factor = factor if total + h.tiny > h.max_norm else 1.0
    elif h.clip != "always":
        factor = min(factor, 1.0)
    return [g * factor for g in grads]


def averaged(average: Array | None, value: Array, count: int, h: Any) -> Array:
    """The new average; `count` updates came before."""
    decay = h.decay_rate
    if h.start == "zeros":
        average = 0.0 * value if average is None else average
    elif average is None:
        return value
    if h.kind == "warmed up":
        decay = min(decay, (1.0 + count) / (10.0 + count))
    elif h.kind == "swapped":
        decay = 1.0 - decay
    elif h.kind == "mean":
        decay = count / (count + 1.0)
    new = decay * average + (1.0 - decay) * value
    if h.kind == "debiased":
        return new / (1.0 - decay ** (count + 1))
    return new


class Setting(NamedTuple):
    """A torch optimizer, its arguments, the formula that is the same thing, and that formula's own switches."""

    optimizer: str
    arguments: dict[str, Any]
    formula: Callable[[Array, Array, dict[str, Any], Any], Array]
    switches: dict[str, Any]
    constant_rate: bool = False


BETAS = (short(0.9), short(0.999))
TINY = short(1e-8)
SGD = {
    "decay": "coupled",
    "rate_in_buffer": False,
    "average": False,
    "dampen_first": False,
    "dampening": 0.0,
    "ahead": "no",
    "weight_decay": 0.0,
}
ADAM = {
    "decay": "coupled",
    "first_moment": "lerp",
    "squares": "gradient",
    "count": "per step",
    "correct": "both",
    "largest": "no",
    "epsilon": "outside",
    "nesterov": False,
    "weight_decay": 0.0,
}
RMSPROP = {
    "decay": "coupled",
    "start": 0.0,
    "center": "none",
    "epsilon": "outside",
    "buffer": "none",
    "weight_decay": 0.0,
}

SETTINGS: dict[str, Setting] = {
    "sgd": Setting("SGD", {"lr": short(0.1), "momentum": short(0.9), "weight_decay": short(0.01)}, sgd, SGD),
    "sgd dampened": Setting("SGD", {"lr": short(0.1), "momentum": short(0.9), "dampening": 0.25}, sgd, SGD),
    "sgd nesterov": Setting(
        "SGD", {"lr": short(0.1), "momentum": short(0.9), "nesterov": True}, sgd, {**SGD, "ahead": "torch"}
    ),
    "sgd, rate constant": Setting("SGD", {"lr": short(0.1), "momentum": short(0.9)}, sgd, SGD, True),
    "adam": Setting("Adam", {"lr": short(0.01), "betas": BETAS, "eps": TINY}, adam, ADAM),
    "adam decayed": Setting(
        "Adam", {"lr": short(0.01), "betas": BETAS, "eps": TINY, "weight_decay": short(0.01)}, adam, ADAM
    ),
    "adamw": Setting(
        "AdamW",
        {"lr": short(0.01), "betas": BETAS, "eps": TINY, "weight_decay": short(0.01)},
        adam,
        {**ADAM, "decay": "decoupled"},
    ),
    "amsgrad": Setting(
        "Adam",
        {"lr": short(0.01), "betas": (short(0.9), 0.5), "eps": TINY, "amsgrad": True},
        adam,
        {**ADAM, "largest": "uncorrected"},
    ),
    "rmsprop": Setting(
        "RMSprop",
        {"lr": short(0.01), "alpha": short(0.99), "eps": TINY, "weight_decay": short(0.01)},
        rmsprop,
        RMSPROP,
    ),
    "rmsprop momentum": Setting(
        "RMSprop",
        {"lr": short(0.01), "alpha": short(0.99), "eps": TINY, "momentum": short(0.9)},
        rmsprop,
        {**RMSPROP, "buffer": "rate outside"},
    ),
    "rmsprop centered": Setting(
        "RMSprop",
        {"lr": short(0.01), "alpha": short(0.99), "eps": TINY, "centered": True},
        rmsprop,
        {**RMSPROP, "center": "new"},
    ),
    "adagrad": Setting(
        "Adagrad",
        {"lr": short(0.1), "lr_decay": short(0.1), "initial_accumulator_value": 0.0, "eps": short(1e-10)},
        adagrad,
        {"late": 0, "sum_before": False, "epsilon": "outside"},
    ),
    "adadelta": Setting(
        "Adadelta",
        {"lr": 0.5, "rho": short(0.9), "eps": short(1e-6)},
        adadelta,
        {"epsilon": "inside", "accumulate_step": False},
    ),
    "adamax": Setting(
        "Adamax",
        {"lr": short(0.01), "betas": BETAS, "eps": short(1e-4)},
        adamax,
        {"epsilon": "in the maximum", "correct": True},
    ),
    "nadam": Setting(
        "NAdam",
        {"lr": short(0.01), "betas": BETAS, "eps": TINY, "momentum_decay": 0.25},
        nadam,
        {"schedule": "torch", "epsilon": "outside", "product_behind": False},
    ),
    "radam": Setting(
        "RAdam",
        {"lr": short(0.01), "betas": BETAS, "eps": short(1e-4)},
        radam,
        {"threshold": 5.0, "epsilon": "uncorrected", "rectify": "root", "warm_up": "momentum"},
    ),
    "clip": Setting("SGD", {"lr": short(0.1)}, sgd, {**SGD, "momentum": 0.0, "clip": "torch", "tiny": 1e-6}),
    "ema": Setting(
        "SGD",
        {"lr": short(0.1)},
        sgd,
        {**SGD, "momentum": 0.0, "kind": "torch", "start": "copy", "decay_rate": short(0.99)},
    ),
}
MAX_NORM = 2.0

MUTANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("sgd", "rate off by 1e-6", {"lr": slightly}),
    ("sgd", "momentum off by 1e-6", {"momentum": slightly}),
    ("sgd", "decay off by 1e-6", {"weight_decay": slightly}),
    ("sgd", "momentum left out", {"momentum": 0.0}),
    ("sgd", "decay left out", {"decay": "none"}),
    ("sgd", "decay as 0.5 * l2 in the loss, factor forgotten", {"decay": "half"}),
    ("sgd", "decay as l1", {"decay": "of zero"}),
    ("sgd", "decay decoupled", {"decay": "decoupled"}),
    ("sgd", "decay decoupled and not times the rate", {"decay": "decoupled, no rate"}),
    ("sgd", "decay added behind the momentum", {"decay": "behind momentum"}),
    ("sgd", "rate inside the momentum buffer", {"rate_in_buffer": True}),
    ("sgd", "momentum as a moving average", {"average": True}),
    ("sgd", "nesterov switched on", {"ahead": "torch"}),
    ("sgd dampened", "dampening on the first step too", {"dampen_first": True}),
    ("sgd dampened", "dampening left out", {"dampening": 0.0}),
    ("sgd dampened", "dampening off by 1e-6", {"dampening": slightly}),
    ("sgd dampened", "dampening equal to the momentum", {"dampening": short(0.9)}),
    ("sgd nesterov", "nesterov left out", {"ahead": "no"}),
    ("sgd nesterov", "look-ahead without the gradient", {"ahead": "no gradient"}),
    ("sgd nesterov", "look-ahead from the buffer twice", {"ahead": "twice the buffer"}),
    ("adam", "rate off by 1e-6", {"lr": slightly}),
    ("adam", "beta1 off by 1e-6", {"betas": lambda b: (slightly(b[0]), b[1])}),
    ("adam", "beta2 off by 1e-6", {"betas": lambda b: (b[0], slightly(b[1]))}),
    ("adam", "betas exchanged", {"betas": lambda b: (b[1], b[0])}),
    ("adam", "epsilon 1e-7, Keras' default", {"eps": 1e-7}),
    ("adam", "epsilon twice", {"eps": lambda e: e * 2.0}),
    ("adam", "epsilon left out", {"epsilon": "none"}),
    ("adam", "epsilon inside the root", {"epsilon": "inside"}),
    ("adam", "epsilon outside the bias correction", {"epsilon": "hat"}),
    ("adam", "epsilon as a lower bound", {"epsilon": "maximum", "eps": 1e-2}),
    ("adam", "root forgotten", {"epsilon": "no root"}),
    ("adam", "second correction not under the root", {"epsilon": "correction not rooted"}),
    ("adam", "no bias correction", {"correct": "none"}),
    ("adam", "only the first moment corrected", {"correct": "first"}),
    ("adam", "only the second moment corrected", {"correct": "second"}),
    ("adam", "correction one step ahead", {"count": "from 0"}),
    ("adam", "correction frozen while tracing", {"count": "never moves"}),
    ("adam", "second moment of the first moment", {"squares": "mean"}),
    ("adam", "second moment of the surprise", {"squares": "surprise"}),
    ("adam", "nesterov momentum", {"nesterov": True}),
    ("adam", "amsgrad switched on", {"largest": "uncorrected"}),
    ("adam decayed", "decay decoupled", {"decay": "decoupled"}),
    ("adam decayed", "decay left out", {"decay": "none"}),
    ("adam decayed", "decay off by 1e-6", {"weight_decay": slightly}),
    ("adam decayed", "decay halved", {"decay": "half"}),
    ("adam decayed", "decay missing from the second moment", {"squares": "without decay"}),
    ("adamw", "decay coupled", {"decay": "coupled"}),
    ("adamw", "decay left out", {"decay": "none"}),
    ("adamw", "decay off by 1e-6", {"weight_decay": slightly}),
    ("adamw", "decay 0.004, Keras' default", {"weight_decay": 0.004}),
    ("adamw", "decay not times the rate", {"decay": "decoupled, no rate"}),
    ("adamw", "decay times the first rate for ever", {"decay": "decoupled, first rate"}),
    ("adamw", "decay after the update", {"decay": "decoupled, after"}),
    ("adamw", "decay inside the corrected update", {"decay": "inside the update"}),
    ("amsgrad", "amsgrad left out", {"largest": "no"}),
    ("amsgrad", "maximum of the corrected moments", {"largest": "corrected"}),
    ("amsgrad", "maximum of two steps only", {"largest": "of this step and the last"}),
    ("amsgrad", "maximum written back into the moment", {"largest": "kept as second moment"}),
    ("rmsprop", "rate off by 1e-6", {"lr": slightly}),
    ("rmsprop", "alpha off by 1e-6", {"alpha": slightly}),
    ("rmsprop", "alpha 0.9, Keras' default", {"alpha": 0.9}),
    ("rmsprop", "epsilon inside the root", {"epsilon": "inside"}),
    ("rmsprop", "epsilon as a lower bound", {"epsilon": "maximum", "eps": 1e-2}),
    ("rmsprop", "epsilon 1e-7, Keras' default", {"eps": 1e-7}),
    ("rmsprop", "second moment starts at one", {"start": 1.0}),
    ("rmsprop", "decay decoupled", {"decay": "decoupled"}),
    ("rmsprop", "centered switched on", {"center": "new"}),
    ("rmsprop momentum", "rate inside the momentum buffer", {"buffer": "rate inside"}),
    ("rmsprop momentum", "momentum on gradients before scaling", {"buffer": "of gradients"}),
    ("rmsprop momentum", "momentum left out", {"buffer": "none"}),
    ("rmsprop centered", "centered left out", {"center": "none"}),
    ("rmsprop centered", "mean of the step before", {"center": "old"}),
    ("rmsprop centered", "epsilon inside the root", {"epsilon": "inside"}),
    ("adagrad", "rate decay one step late", {"late": 1}),
    ("adagrad", "rate decay left out", {"lr_decay": 0.0}),
    ("adagrad", "sum starts at 0.1, Keras' default", {"initial_accumulator_value": 0.1}),
    ("adagrad", "epsilon inside the root", {"epsilon": "inside", "eps": 1e-7}),
    ("adagrad", "epsilon 1e-7, Keras' default", {"eps": 1e-7}),
    ("adadelta", "rate 0.001, Keras' default", {"lr": 0.001}),
    ("adadelta", "rho 0.95, Keras' default", {"rho": 0.95}),
    ("adadelta", "epsilon 1e-7, Keras' default", {"eps": 1e-7}),
    ("adadelta", "epsilon outside the roots", {"epsilon": "outside"}),
    ("adadelta", "rate inside the accumulated steps", {"accumulate_step": True}),
    ("adamax", "epsilon outside the maximum", {"epsilon": "outside"}),
    ("adamax", "epsilon left out", {"epsilon": "none"}),
    ("adamax", "no bias correction", {"correct": False}),
    ("adamax", "beta2 off by 1e-6", {"betas": lambda b: (b[0], slightly(b[1]))}),
    ("nadam", "momentum without its schedule", {"schedule": "none"}),
    ("nadam", "next momentum taken from this step", {"schedule": "this step"}),
    ("nadam", "product of momenta one step behind", {"product_behind": True}),
    ("nadam", "momentum_decay off by 1e-6", {"momentum_decay": slightly}),
    ("nadam", "epsilon inside the root", {"epsilon": "inside"}),
    ("radam", "rectified one step early", {"threshold": 4.0}),
    ("radam", "epsilon behind the correction", {"epsilon": "corrected"}),
    ("radam", "no rectification", {"rectify": "none"}),
    ("radam", "rectification without its root", {"rectify": "no root"}),
    ("radam", "no step while not rectified", {"warm_up": "nothing"}),
    ("clip", "left out", {"clip": "torch", "max_norm": 1e9}),
    ("clip", "by value", {"clip": "by value"}),
    ("clip", "every variable by its own norm", {"clip": "each by its norm"}),
    ("clip", "without the 1e-6", {"tiny": 0.0}),
    ("clip", "with 1e-7 for 1e-6", {"tiny": 1e-7}),
    ("clip", "norm compared without the 1e-6", {"clip": "compared without the constant"}),
    ("clip", "scaled up below the bound", {"clip": "always"}),
    ("clip", "by the sum of the norms", {"clip": "sum of norms"}),
    ("clip", "by the largest element", {"clip": "largest element"}),
    ("clip", "by the root mean square", {"clip": "mean square"}),
    ("clip", "by a norm of half the gradient", {"clip": "elements halved"}),
    ("clip", "bound off by 1e-6", {"max_norm": slightly(MAX_NORM)}),
    ("ema", "starts from zeros", {"start": "zeros"}),
    ("ema", "starts from zeros and is debiased", {"start": "zeros", "kind": "debiased"}),
    ("ema", "decay warmed up", {"kind": "warmed up"}),
    ("ema", "decay and its complement exchanged", {"kind": "swapped"}),
    ("ema", "plain mean", {"kind": "mean"}),
    ("ema", "decay off by 1e-6", {"decay_rate": slightly}),
]

EQUAL: list[tuple[str, str, dict[str, Any]]] = [
    # With a constant rate r the buffer is r times torch's at every step: b' = m (r b) + r g = r (m b + g).
    ("sgd, rate constant", "rate inside the buffer", {"rate_in_buffer": True}),
    # m + (1 - b) (g - m) = b m + (1 - b) g.
    ("adam", "first moment as a weighted sum", {"first_moment": "weights"}),
    # (sqrt v + e sqrt c) / sqrt c = sqrt v / sqrt c + e.
    ("adam", "epsilon scaled with the correction", {"epsilon": "hat, rewritten"}),
    # The root is monotone, so the root of the largest moment is the largest root.
    ("amsgrad", "maximum of the roots", {"largest": "roots"}),
    # p (1 - r w) - u = p - u - r w p, as long as u does not depend on the decayed p.
    ("adamw", "decay and update at once", {"decay": "decoupled, at once"}),
    # min(f, 1) is f exactly where its denominator is above its numerator.
    ("clip", "the minimum as two branches", {"clip": "in two branches"}),
]


@cache
def torch_run(setting: str, dtype: str) -> list[Record]:
    name, arguments, _, _, constant = SETTINGS[setting]
    with torch_default(dtype):
        params = [torch.nn.Parameter(torch.tensor(p)) for p in starts(dtype)]
        optimizer = getattr(torch.optim, name)(params, foreach=False, **arguments)
        model = torch.nn.ParameterList(params)
        average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(short(0.99))
        )
        records = []
        for rate, grads in zip(RATES, gradients(dtype, at_bound=setting == "clip"), strict=True):
            for param, grad in zip(params, grads, strict=True):
                param.grad = torch.tensor(grad)
            if setting == "clip":
                torch.nn.utils.clip_grad_norm_(params, MAX_NORM, foreach=False)
            optimizer.param_groups[0]["lr"] = arguments["lr"] * (1.0 if constant else rate)
            optimizer.step()
            average.update_parameters(model)
            shown = list(average.module) if setting == "ema" else params
            records.append({str(i): p.detach().numpy().copy() for i, p in enumerate(shown)})
    return records


def numpy_run(setting: str, change: dict[str, Any], dtype: str) -> list[Record]:
    _, arguments, formula, switches, constant = SETTINGS[setting]
    hyper = {"momentum": 0.0, "max_norm": MAX_NORM, **switches, **arguments}
    for name, value in change.items():
        hyper[name] = value(hyper[name]) if callable(value) else value
    params = starts(dtype)
    states: list[dict[str, Any]] = [{} for _ in params]
    averages: list[Any] = [None] * len(params)
    records = []
    for step, (rate, grads) in enumerate(
        zip(RATES, gradients(dtype, at_bound=setting == "clip"), strict=True), start=1
    ):
        h = SimpleNamespace(
            **{**hyper, "lr": hyper["lr"] * (1.0 if constant else rate), "first_lr": hyper["lr"], "t": step}
        )
        if setting == "clip":
            grads = clipped(grads, h)
        params = [formula(p, g, s, h) for p, g, s in zip(params, grads, states, strict=True)]
        assert all(p.dtype == dtype for p in params)
        shown = params
        if setting == "ema":
            averages = shown = [averaged(a, p, step - 1, h) for a, p in zip(averages, params, strict=True)]
        records.append({str(i): p for i, p in enumerate(shown)})
    return records


def excess(setting: str, change: dict[str, Any]) -> float:
    port = (numpy_run(setting, change, dtype) for dtype in ("float32", "float64"))
    return max(excess_by_name(torch_run(setting, "float32"), torch_run(setting, "float64"), *port).values())


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_formula_without_a_mistake_passes(setting: str) -> None:
    assert excess(setting, {}) < LIMIT


@pytest.mark.parametrize(("setting", "mistake", "change"), MUTANTS, ids=[f"{s}: {m}" for s, m, _ in MUTANTS])
def test_the_mistake_is_noticed(setting: str, mistake: str, change: dict[str, Any]) -> None:
    size = excess(setting, change)
    assert size > 1000 * LIMIT, f"{setting} with {mistake} has an excess of {size:.3g} only"


@pytest.mark.parametrize(("setting", "rewrite", "change"), EQUAL, ids=[f"{s}: {m}" for s, m, _ in EQUAL])
def test_an_equal_rewrite_passes(setting: str, rewrite: str, change: dict[str, Any]) -> None:
    size = excess(setting, change)
    assert size < LIMIT, f"{setting} with {rewrite} has an excess of {size:.3g}"


def test_there_are_enough_mistakes_and_each_is_listed_once() -> None:
    names = [f"{setting}: {mistake}" for setting, mistake, _ in MUTANTS + EQUAL]
    assert len(names) == len(set(names))
    assert len(MUTANTS) >= 60
    assert {setting for setting, _, _ in MUTANTS} == SETTINGS.keys() - {"sgd, rate constant"}
