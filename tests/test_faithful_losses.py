"""Every loss of harness.faithful against its PyTorch namesake: value and gradients, over its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from faithful_oracle import agree, floats, tensorflow_gradients, torch_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, tf, torch

few = settings(max_examples=15, deadline=None, derandomize=True)
seeds = st.integers(0, 2**16)
flags = st.booleans()
reductions = st.sampled_from(["mean", "sum", "none"])

Loss = Callable[[dict[str, Any]], Any]


def losses_agree(what: str, torch_loss: Loss, tensorflow_loss: Loss, inputs: dict[str, np.ndarray]) -> None:
    """Value, and gradient with respect to every floating input whose name has no capital."""

    def reference(t: Any) -> Any:
        leaves = {k: v.requires_grad_() for k, v in t.items() if v.is_floating_point() and k.islower()}
        return torch_gradients({"loss": torch_loss({**t, **leaves})}, leaves)

    def port(t: Any) -> Any:
        leaves = {k: v for k, v in t.items() if v.dtype.is_floating and k.islower()}
        with tf.GradientTape() as tape:
            tape.watch(list(leaves.values()))
            return tensorflow_gradients(tape, {"loss": tensorflow_loss(t)}, leaves)

    agree(what, reference, port, inputs)


def probabilities(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.uniform(0.02, 0.98, shape).astype("f4").astype("f8")


@few
@given(seed=seeds, reduction=reductions, saturated=flags, weighted=flags)
def test_bce(seed: int, reduction: str, saturated: bool, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    p, y = probabilities(rng, 4, 3), probabilities(rng, 4, 3)
    if saturated:
        p[0], y[0] = [0.0, 1.0, 2.0**-60], [1.0, 0.0, 0.0]
    weight = [0.1, 1.0, 2.5] if weighted else None

    def reference(t: Any) -> Any:
        w = None if weight is None else torch.tensor(weight, dtype=t["p"].dtype)
        return torch.nn.BCELoss(w, reduction=reduction)(t["p"], t["Y"])

    losses_agree(
        "BCELoss",
        reference,
        lambda t: faithful.BCELoss(weight, reduction=reduction)(t["Y"], t["p"]),
        {"p": p, "Y": y},
    )


@few
@given(seed=seeds, reduction=reductions, scale=st.sampled_from([1.0, 30.0]), positive=flags, weighted=flags)
def test_bce_with_logits(seed: int, reduction: str, scale: float, positive: bool, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    weight = [0.1, 1.0, 2.5] if weighted else None
    pos_weight = [0.3, 1.0, 7.0] if positive else None

    def reference(t: Any) -> Any:
        w, pw = (None if v is None else torch.tensor(v, dtype=t["x"].dtype) for v in (weight, pos_weight))
        return torch.nn.BCEWithLogitsLoss(w, reduction=reduction, pos_weight=pw)(t["x"], t["y"])

    losses_agree(
        "BCEWithLogitsLoss",
        reference,
        lambda t: faithful.BCEWithLogitsLoss(weight, reduction=reduction, pos_weight=pos_weight)(t["y"], t["x"]),
        {"x": floats(rng, 4, 3, scale=scale), "y": probabilities(rng, 4, 3)},
    )


@few
@given(
    seed=seeds,
    reduction=reductions,
    kind=st.sampled_from(["index", "ignored", "all ignored", "probabilities"]),
    smoothing=st.sampled_from([0.0, 0.1]),
    weighted=flags,
    image=flags,
    first=flags,
)
def test_cross_entropy(
    seed: int, reduction: str, kind: str, smoothing: float, weighted: bool, image: bool, first: bool
) -> None:
    rng = np.random.default_rng(seed)
    where = (4, 2) if image else (4,)
    x = floats(rng, *where, 3)
    weight = [0.1, 1.0, 2.5] if weighted else None
    y: np.ndarray = rng.integers(0, 3, where)
    if kind == "ignored":
        y.flat[1] = -100
    elif kind == "all ignored":
        y[:] = -100
    elif kind == "probabilities":
        y = probabilities(rng, *where, 3)
    axis = 1 if first else -1
    if first:
        x = np.moveaxis(x, -1, 1)
        y = np.moveaxis(y, -1, 1) if kind == "probabilities" else y

    def reference(t: Any) -> Any:
        w = None if weight is None else torch.tensor(weight, dtype=t["x"].dtype)
        loss = torch.nn.CrossEntropyLoss(w, reduction=reduction, label_smoothing=smoothing)
        return loss(t["x"].movedim(axis, 1), t["Y"].movedim(axis, 1) if kind == "probabilities" else t["Y"])

    losses_agree(
        "CrossEntropyLoss",
        reference,
        lambda t: faithful.CrossEntropyLoss(weight, reduction=reduction, label_smoothing=smoothing, axis=axis)(
            t["Y"], t["x"]
        ),
        {"x": x, "Y": y},
    )


@few
@given(seed=seeds, reduction=reductions, ignore=st.sampled_from([-100, 1]), weighted=flags)
def test_nll(seed: int, reduction: str, ignore: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    weight = [0.1, 1.0, 2.5] if weighted else None

    def reference(t: Any) -> Any:
        w = None if weight is None else torch.tensor(weight, dtype=t["x"].dtype)
        return torch.nn.NLLLoss(w, ignore_index=ignore, reduction=reduction)(t["x"], t["y"])

    losses_agree(
        "NLLLoss",
        reference,
        lambda t: faithful.NLLLoss(weight, ignore_index=ignore, reduction=reduction)(t["y"], t["x"]),
        {"x": -np.abs(floats(rng, 6, 3)), "y": np.array([0, 1, 2, 0, 1, 2])},
    )


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # torch's advice to use batchmean
@few
@given(seed=seeds, reduction=st.sampled_from(["mean", "sum", "none", "batchmean"]), log_target=flags)
def test_kl_div(seed: int, reduction: str, log_target: bool) -> None:
    rng = np.random.default_rng(seed)
    y = -np.abs(floats(rng, 4, 3)) if log_target else probabilities(rng, 4, 3)
    inputs = {"x": -np.abs(floats(rng, 4, 3)), "y": y}
    if not log_target:
        y[0, 0] = 0.0
        inputs = {"x": inputs["x"], "Y": y}  # at zero torch's own gradient of x log x is NaN
    target = "y" if log_target else "Y"
    losses_agree(
        "KLDivLoss",
        lambda t: torch.nn.KLDivLoss(reduction=reduction, log_target=log_target)(t["x"], t[target]),
        lambda t: faithful.KLDivLoss(reduction=reduction, log_target=log_target)(t[target], t["x"]),
        inputs,
    )


@few
@given(seed=seeds, reduction=reductions, bend=st.sampled_from([0.0, 0.3, 1.0, 2.0]))
def test_smooth_l1_and_huber(seed: int, reduction: str, bend: float) -> None:
    rng = np.random.default_rng(seed)
    inputs = {"x": floats(rng, 4, 3), "y": floats(rng, 4, 3)}
    inputs["y"][0, 0] = inputs["x"][0, 0]
    losses_agree(
        "SmoothL1Loss",
        lambda t: torch.nn.SmoothL1Loss(reduction=reduction, beta=bend)(t["x"], t["y"]),
        lambda t: faithful.SmoothL1Loss(reduction=reduction, beta=bend)(t["y"], t["x"]),
        inputs,
    )
    if bend:
        losses_agree(
            "HuberLoss",
            lambda t: torch.nn.HuberLoss(reduction=reduction, delta=bend)(t["x"], t["y"]),
            lambda t: faithful.HuberLoss(reduction, bend)(t["y"], t["x"]),
            inputs,
        )
        weighted = {"reduction": reduction, "delta": bend}
        losses_agree(
            "huber_loss with weights",
            lambda t: torch.nn.functional.huber_loss(t["x"], t["y"], weight=t["w"], **weighted),
            lambda t: faithful.huber_loss(t["x"], t["y"], weight=t["w"], **weighted),
            inputs | {"w": probabilities(rng, 4, 3)},
        )


@few
@given(
    seed=seeds,
    reduction=reductions,
    full=flags,
    tiny=flags,
    eps=st.sampled_from([1e-6, 0.25]),
    shape=st.sampled_from([(4, 4), (4, 1), (1, 4), (4,)]),
)
def test_gaussian_nll(seed: int, reduction: str, full: bool, tiny: bool, eps: float, shape: tuple[int, ...]) -> None:
    """A variance of shape (4,) belongs to the rows of (4, 4), where broadcasting alone would give it to the columns."""
    rng = np.random.default_rng(seed)
    var = probabilities(rng, *shape)
    if tiny:
        var[0] = 2.0**-30
    options = {"full": full, "eps": eps, "reduction": reduction}
    losses_agree(
        "GaussianNLLLoss",
        lambda t: torch.nn.GaussianNLLLoss(**options)(t["x"], t["y"], t["var"]),
        lambda t: faithful.GaussianNLLLoss(**options)(t["y"], (t["x"], t["var"])),
        {"x": floats(rng, 4, 4), "y": floats(rng, 4, 4), "var": var},
    )


@few
@given(seed=seeds, reduction=reductions, full=flags, log_input=flags, eps=st.sampled_from([1e-8, 0.25]))
def test_poisson_nll(seed: int, reduction: str, full: bool, log_input: bool, eps: float) -> None:
    rng = np.random.default_rng(seed)
    losses_agree(
        "PoissonNLLLoss",
        lambda t: torch.nn.PoissonNLLLoss(log_input, full, eps=eps, reduction=reduction)(t["x"], t["Y"]),
        lambda t: faithful.PoissonNLLLoss(log_input, full, eps=eps, reduction=reduction)(t["Y"], t["x"]),
        {"x": np.abs(floats(rng, 4, 3)), "Y": rng.integers(0, 5, (4, 3)).astype("f8")},
    )


@few
@given(seed=seeds, reduction=reductions, margin=st.sampled_from([0.0, 0.3]), zero=flags)
def test_cosine_embedding_and_similarity(seed: int, reduction: str, margin: float, zero: bool) -> None:
    rng = np.random.default_rng(seed)
    inputs = {"a": floats(rng, 4, 3), "b": floats(rng, 4, 3), "y": np.array([1, -1, 1, -1])}
    if zero:
        inputs["a"][0] = 0.0
    losses_agree(
        "CosineEmbeddingLoss",
        lambda t: torch.nn.CosineEmbeddingLoss(margin, reduction=reduction)(t["a"], t["b"], t["y"]),
        lambda t: faithful.CosineEmbeddingLoss(margin, reduction=reduction)(t["y"], (t["a"], t["b"])),
        inputs,
    )
    losses_agree(
        "cosine_similarity",
        lambda t: torch.nn.functional.cosine_similarity(t["a"], t["b"], eps=0.5 if margin else 1e-8),
        lambda t: faithful.cosine_similarity(t["a"], t["b"], eps=0.5 if margin else 1e-8),
        inputs,
    )


@few
@given(seed=seeds, reduction=reductions, p=st.sampled_from([1.0, 2.0, 3.0, np.inf]), swap=flags, zero=flags)
def test_distances_and_triplets(seed: int, reduction: str, p: float, swap: bool, zero: bool) -> None:
    rng = np.random.default_rng(seed)
    inputs = {"a": floats(rng, 4, 3), "b": floats(rng, 4, 3), "c": floats(rng, 4, 3)}
    if zero:
        inputs["a"][0] = inputs["b"][0]
    losses_agree(
        "TripletMarginLoss",
        lambda t: torch.nn.TripletMarginLoss(p=p, swap=swap, reduction=reduction)(t["a"], t["b"], t["c"]),
        lambda t: faithful.TripletMarginLoss(p=p, swap=swap, reduction=reduction)(None, (t["a"], t["b"], t["c"])),
        inputs,
    )
    eps = 0.0 if zero and p == 2.0 else 1e-6  # with no epsilon the distance of equals has gradient zero, not NaN
    losses_agree(
        "pairwise_distance",
        lambda t: torch.nn.functional.pairwise_distance(t["a"], t["b"], p, eps, keepdim=swap),
        lambda t: faithful.pairwise_distance(t["a"], t["b"], p, eps, keepdim=swap),
        {"a": inputs["a"], "b": inputs["b"]},
    )
    inputs["a"][1, 0] = 0.0
    for order in (p, *((0.0, 0.5, -np.inf) if swap else ())):
        losses_agree(
            "normalize",
            lambda t, order=order: torch.nn.functional.normalize(t["a"], order, eps=0.5),
            lambda t, order=order: faithful.normalize(t["a"], order, eps=0.5),
            {"a": inputs["a"] * (0.1 if swap else 1.0)},
        )


@few
@given(
    seed=seeds,
    reduction=reductions,
    blank=st.sampled_from([0, 3]),
    zero_infinity=flags,
    shape=st.sampled_from(["full", "lengths", "impossible", "empty", "one row", "no batch"]),
    normalized=flags,
)
def test_ctc(seed: int, reduction: str, blank: int, zero_infinity: bool, shape: str, normalized: bool) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.choice([label for label in range(4) if label != blank], (3, 3))
    targets[1, :2] = targets[1, 0]  # a repeated label needs a blank between
    input_lengths = {"full": [7, 7, 7], "impossible": [7, 3, 7]}.get(shape, [7, 5, 6])
    target_lengths = {"full": [3, 3, 3], "impossible": [3, 3, 1], "empty": [0, 3, 2]}.get(shape, [1, 3, 2])
    if shape == "one row":
        targets = np.concatenate([row[:length] for row, length in zip(targets, target_lengths, strict=True)])
    x = floats(rng, 7, 3, 4)
    if shape == "no batch":
        x, targets, input_lengths, target_lengths = x[:, 1], targets[1], input_lengths[1], target_lengths[1]

    def reference(t: Any) -> Any:
        x = t["x"].log_softmax(-1) if normalized else t["x"]
        loss = torch.nn.CTCLoss(blank, reduction, zero_infinity)
        return loss(x, t["y"], torch.tensor(input_lengths), torch.tensor(target_lengths))

    def port(t: Any) -> Any:
        x = tf.nn.log_softmax(t["x"]) if normalized else t["x"]
        return faithful.CTCLoss(blank, reduction, zero_infinity)((t["y"], input_lengths, target_lengths), x)

    losses_agree("CTCLoss", reference, port, {"x": x, "y": targets})


@pytest.mark.own_process
@pytest.mark.xdist_group("own_process")
def test_normalize_does_not_overflow_in_half_precision() -> None:
    """The sum of squares is beyond float16, the norm is not; one unit of float16 is left to either side's rounding."""
    x = tf.fill((2, 3), tf.constant(300.0, tf.float16))
    expected = torch.nn.functional.normalize(torch.full((2, 3), 300.0, dtype=torch.float16))
    np.testing.assert_allclose(expected, 3**-0.5, rtol=2**-10)
    np.testing.assert_allclose(faithful.normalize(x), expected, rtol=2**-10)


x, y = np.zeros((4, 3), "f4"), np.full((4, 3), 0.5, "f4")
log_probs, lengths = np.full((5, 2, 3), -1.0, "f4"), [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: faithful.BCELoss(size_average=True), TypeError, "BCELoss takes neither size_average nor reduce"),
        (lambda: faithful.kl_div(x, y, reduce=False), TypeError, 'write reduction="mean", "sum" or "none"'),
        (lambda: faithful.SmoothL1Loss(beta=-1.0)(y, x), ValueError, r"beta is -1\.0; it must be at least 0"),
        (lambda: faithful.HuberLoss(delta=0.0)(y, x), ValueError, r"delta is 0\.0; it must be above 0"),
        (lambda: faithful.huber_loss(x, y, weight=[1.0]), ValueError, r"weight has shape \(1,\), not the prediction's"),
        (lambda: faithful.TripletMarginLoss(margin=0.0), ValueError, r"margin is 0\.0; it must be above 0"),
        (lambda: faithful.cross_entropy(x, y, label_smoothing=1.5), ValueError, r"label_smoothing is 1\.5"),
        (lambda: faithful.cross_entropy(x, y, ignore_index=1), ValueError, "float32 have no index; leave it out"),
        (
            lambda: faithful.gaussian_nll_loss(x, y, y[:, :2]),
            ValueError,
            r"var has shape \(4, 2\), the prediction \(4, 3\)",
        ),
        (lambda: faithful.gaussian_nll_loss(x, y, -1.0), ValueError, r"var is -1\.0"),
        (lambda: faithful.gaussian_nll_loss(x, y, -y), None, "var has a negative element"),
        (lambda: faithful.nll_loss(x, np.zeros((4, 1), int)), ValueError, r"indices have shape \(4, 1\), not \(4,\)"),
        (lambda: faithful.nll_loss(x, [0, 1, 2, 0], [1.0] * 4), ValueError, r"weight has shape \(4,\), .* 3 classes"),
        (lambda: faithful.cross_entropy(x, y, [1.0]), ValueError, r"weight has shape \(1,\), .* 3 classes"),
        (lambda: faithful.cosine_embedding_loss(x, y, y), ValueError, "it takes one number per vector"),
        (lambda: faithful.ctc_loss(log_probs, lengths, [5, 5], [2, 2], 3), ValueError, "one of the 3 classes"),
        (
            lambda: faithful.ctc_loss(log_probs, lengths, [6, 5], [2, 2]),
            None,
            "an input length is longer than log_probs",
        ),
        (
            lambda: faithful.ctc_loss(log_probs, lengths, [5, 5], [3, 2]),
            None,
            "a target length is longer than targets",
        ),
    ],
)
def test_what_torch_refuses_is_refused(call: Callable[[], Any], error: type[Exception] | None, message: str) -> None:
    """`None` stands for TensorFlow's error, because collecting tests loads no framework."""
    with pytest.raises(error or tf.errors.InvalidArgumentError, match=message):
        call()


def test_arguments_of_a_loss_cannot_be_mistaken_for_those_that_torch_has_there() -> None:
    """Torch's second argument of these is size_average, so what follows it is given by name."""
    with pytest.raises(TypeError, match="positional"):
        faithful.CrossEntropyLoss(None, -100)
    with pytest.raises(TypeError, match="positional"):
        faithful.KLDivLoss("batchmean")
