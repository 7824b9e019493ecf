"""What is computed in the place of a loss."""

from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  # as torch's users write it

from harness.mutations.call import Call, named


def keras_entropy(call: Call) -> Any:
    """Keras' sparse categorical cross-entropy with from_logits=False, given logits."""
    logits = call.given["input"].clamp(1e-7, 1 - 1e-7).log()
    return call.run(input=logits)


def keras_dense_entropy(call: Call) -> Any:
    """Keras' categorical cross-entropy with from_logits=False, given logits: divided by their sum, clipped, and logged."""
    value = call.given["input"]
    probabilities = (value / value.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    arguments = {key: call.given[key] for key in ("weight", "reduction") if call.given.get(key) is not None}
    target = call.given["target"]
    if target.is_floating_point():
        return -(target * probabilities.log()).sum(1).mean()
    return F.nll_loss(probabilities.log(), target, **arguments)


def keras_binary(call: Call) -> Any:
    """Keras' binary cross-entropy on probabilities, clipped to [1e-7, 1 - 1e-7]."""
    p, target = call.given["input"].clamp(1e-7, 1 - 1e-7), call.given["target"]
    each = -(target * p.log() + (1 - target) * (1 - p).log())
    return each.sum() if call.given.get("reduction") == "sum" else each.mean()


def class_mean(call: Call) -> Any:
    """Weights of classes whose sum is not divided by."""
    each = F.cross_entropy(**{**named(call, "input target weight ignore_index label_smoothing"), "reduction": "none"})
    return each.mean()


def last_axis(call: Call) -> Any:
    """Keras' reduction by a sum: of the means over the last axis."""
    each = call.run(reduction="none")
    return each.mean(-1).sum() if each.dim() > 1 else each.sum()


def wide(call: Call) -> bool:
    """Whether an example has several numbers."""
    value = call.given.get("input", call.first)
    return isinstance(value, torch.Tensor) and value.dim() > 1 and value.shape[-1] > 1


def axis_sum(call: Call) -> Any:
    """Summed over all axes but the first, and the mean of that."""
    each = call.run(reduction="none")
    return each.flatten(1).sum(1).mean() if each.dim() > 1 else each.mean()


def of_losses(call: Call) -> bool:
    """Whether two scalars are added of which one at least is learnt from."""
    both = [value for value in call.args if isinstance(value, torch.Tensor) and not value.dim()]
    return len(both) == 2 and any(value.requires_grad for value in both)


def bent(call: Call, delta: float) -> Any:
    """Huber's loss of this delta for a smooth L1 loss."""
    return F.huber_loss(**named(call, "input target reduction"), delta=delta)


def no_margin(call: Call) -> Any:
    """A triplet loss whose margin, which torch wants above zero, is none."""
    near, far = (
        F.pairwise_distance(call.given["anchor"], call.given[other], call.given["p"], call.given["eps"])
        for other in ("positive", "negative")
    )
    each = (near - far).clamp(min=0)
    kind = call.given["reduction"]
    return each if kind == "none" else each.sum() if kind == "sum" else each.mean()


def exchanged(call: Call) -> Any:
    """A divergence whose two distributions are exchanged; a target may be probabilities or their logarithms."""
    target, log_q = call.given["target"], call.given["input"]
    if call.given.get("log_target"):
        return call.run(input=target, target=log_q)
    return call.run(input=target.log(), target=log_q.exp())
