"""Which variables a captured TensorFlow function trains and keeps, and the Port that says which of torch's tensors they are.

The pair's own Port, if it has written one; otherwise one of the rows that were found for it, by how both sides respond; and
while these are sought, one of the variables under their own names.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from harness.contract.port import Port
from harness.contract.unmapped import HELD, Blind, of_rows
from harness.errors import UsageError, instead
from harness.running.capture import named_in, variables
from harness.running.capture_tensorflow_hooks import Pass
from harness.running.capture_tensorflow_values import value_of

OWN = ("seed_generator_state", "rnn_state", "num_batches_tracked")
"""Last parts of paths of what nothing of the reference's is: where random numbers stand, a state carried between batches, and
a count that torch has too and that no captured function shows."""


def port_of(at: Pass, given: Callable[..., Any] | None, function: Callable[..., Any]) -> Port:
    """The Port of the live variables. given: makes it, from variables of the training function by the names of its parameters.

    Raises UsageError if there is none.
    """
    made = of_live(list(live(at))) if given is None else written(at, given, function)
    if made.buffers is not None:  # of a match; here one Port holds both
        both = [*made.variables, *made.buffers.variables]
        made = Blind(*(("", variable) for variable in both)) if HELD.blind else of_rows(both)
    if HELD.blind:
        HELD.variables.loaded |= dict(zip(made.named(made.variables), made.variables, strict=True))
    return made


def of_live(found: list[Any]) -> Port:
    """The Port of these variables, as far as rows are known of them."""
    if HELD.blind:
        return Blind(*(("", variable) for variable in found))
    if not HELD.rows:
        raise UsageError(
            "which variable is which of torch's tensors is found from both sides, which `twinloop run` and pytest do; for one "
            "side alone write the rows: captured(..., port=lambda model: Port(...)), as `twinloop map PAIR` prints them"
        )
    names = {HELD.variables.key(variable) for variable in found}
    gone = sorted({name for row in HELD.rows for name in row.variables} - names)
    if gone:
        raise UsageError(
            f"the training function makes other variables than when its map was found: no {', '.join(gone)} among "
            f"{', '.join(sorted(names))}"
        )
    return of_rows(found)


def written(at: Pass, given: Callable[..., Any], function: Callable[..., Any]) -> Port:
    """The Port that the pair has written itself."""
    known = {**dict(reversed(list(variables()))), **named_in(function)}
    wanted = list(given.__code__.co_varnames[: given.__code__.co_argcount])
    chosen = {}
    for name in wanted:
        if name in known:
            chosen[name] = known[name]
        elif len(wanted) == 1 and len(at.roots) == 1:
            chosen[name] = at.roots[0]
        else:
            models = [key for key, value in known.items() if isinstance(value, tf.Module | keras.layers.Layer)]
            raise UsageError(f"captured(..., port=...) asks for {name}: {instead(name, models, 'variable')}")
    made = given(**chosen)
    if not isinstance(made, Port):
        raise UsageError(f"captured(..., port=...) gives a {type(made).__name__}; let it give a Port(...)")
    return made


def live(at: Pass) -> Iterator[Any]:
    """The variables that a map is sought for: of the models that were called, and what is trained beside them.

    Copies of a model that are called outside of a tape, as a moving average is, follow it; they are no part of this.
    """
    models = [*at.roots, *(model for model in at.called if not at.within(model) and not copied(model, at.roots))]
    found: dict[int, Any] = {}
    for variable in [*(variable for model in models for variable in model.variables), *at.optimizers.trained]:
        path = str(getattr(variable, "path", variable.name))
        if path.split("/")[-1].split(":")[0] not in OWN:
            found.setdefault(id(value_of(variable)), variable)
    yield from found.values()


def copied(model: Any, roots: list[Any]) -> bool:
    """Whether a model holds the numbers of one of these, all of them."""
    with tf.init_scope():
        try:
            own = [value_of(variable).numpy() for variable in model.variables]
            return any(
                len(own) == len(root.variables)
                and all(
                    (a == value_of(b).numpy()).all()
                    for a, b in zip(own, root.variables, strict=True)
                    if a.shape == b.shape
                )
                for root in roots
            )
        except (AttributeError, tf.errors.OpError, NotImplementedError):
            return False  # made in a trace, so that it has no numbers yet: no copy was made of it
