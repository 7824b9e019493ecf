"""What names and order say about a row: never a proof, only the choice among rows that responses cannot tell apart."""

import re
from dataclasses import dataclass, field

ROLES = {
    "weight": "weight", "kernel": "weight", "embeddings": "weight", "depthwise_kernel": "weight", "gamma": "weight",
    "bias": "bias", "beta": "bias",
    "running_mean": "mean", "moving_mean": "mean", "running_var": "variance", "moving_variance": "variance",
    "num_batches_tracked": "count",
}  # fmt: skip
"""What the last part of a name means, on both sides."""
ALIKE = {
    "recurrent": "hh", "query": "q", "key": "k", "value": "v", "self_attn": "attention", "attn": "attention",
    "fc": "dense", "linear": "dense", "bn": "norm", "ln": "norm",
}  # fmt: skip
"""Words that stand for the same thing in names of both sides."""


@dataclass
class Links:
    """Which layers of torch stand in rows with which layers of TensorFlow."""

    ours: dict[str, set[str]] = field(default_factory=dict)
    theirs: dict[str, set[str]] = field(default_factory=dict)

    def add(self, tensor: str, variable: str) -> None:
        """A row is known."""
        mine, other = layer(tensor), layer(variable)
        self.ours.setdefault(mine, set()).add(other)
        self.theirs.setdefault(other, set()).add(mine)

    def joins(self, tensor: str, variable: str) -> bool:
        """Whether the layers of the two belong together, and neither to another one."""
        mine, other = layer(tensor), layer(variable)
        return self.ours.get(mine) == {other} and self.theirs.get(other) == {mine}


def layer(name: str) -> str:
    """A name without its last part.

    >>> layer("bn1.weight"), layer("net/batch_norm/gamma"), layer("weight")
    ('bn1', 'net/batch_norm', '')
    """
    return re.sub(r"[./]?[^./]*$", "", name)


def role(name: str) -> str:
    """What the last part of a name means."""
    last = re.split(r"[./]", name)[-1]
    last = re.sub(r"(#\d+|_l\d+(_reverse)?|:\d+)$", "", last)
    return ROLES.get(last, "weight" if "weight" in last or "kernel" in last else "bias" if "bias" in last else last)


def words(name: str) -> set[str]:
    """The words of a name, numbers included, in one spelling."""
    spelt = re.sub(r"([a-z])([A-Z0-9])", r"\1_\2", name)
    return {ALIKE.get(word.lower(), word.lower()) for word in re.split(r"[^A-Za-z0-9]+|_", spelt) if word}


def likeness(tensor: str, variable: str, links: Links) -> tuple[float, float, float]:
    """How well two names fit, better ones larger: by the layers that are known, what they are, and the words they share."""
    ours, theirs = words(tensor), words(variable)
    shared = len(ours & theirs) / max(1, len(ours | theirs))
    return float(links.joins(tensor, variable)), float(role(tensor) == role(variable)), round(shared, 3)
