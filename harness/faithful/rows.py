"""A row of the table of what to write in TensorFlow: two expressions that do the same, and how the tests call them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Two expressions that do the same to the same arguments.

    `takes` names the arguments both are called with: those of a layer or a function ("vector", "image", "sequence",
    "ids", ...), of a loss (Keras' called target first), of an optimizer, a clipping or a loss scale. `weights` are rows of a
    `Port` that give the Keras layer the module's weights; a part of `harness.faithful` needs none.
    """

    torch: str
    tensorflow: str
    why: str
    takes: str = "vector"
    weights: tuple[tuple[str, ...], ...] = ()

    @property
    def kind(self) -> str:
        """ "faithful" if a part of this package is needed, "plain" if Keras or TensorFlow is enough."""
        return "faithful" if "faithful." in self.tensorflow else "plain"


DENSE = (("weight", "kernel", "i o -> o i"), ("bias", "bias"))
CONV = (("weight", "kernel", "h w i o -> o i h w"), ("bias", "bias"))
NORM = (("weight", "gamma"), ("bias", "beta"))
