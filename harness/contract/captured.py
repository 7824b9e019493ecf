"""An ordinary training function that is run as it is, in place of a generator: which one, and what it is called with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from harness.errors import UsageError

COUNTER = "num_batches_tracked"
"""A buffer that says how often a normalisation was used; no other framework has it, and it is rarely read."""


@dataclass(frozen=True)
class Captured:
    """A training function, or ``"module:function"``, with the arguments that are not the scenario's own. See ``captured``."""

    function: Callable[..., Any] | str
    given: Mapping[str, Any] = field(default_factory=dict)
    port: Callable[..., Any] | None = None


def counts(name: str) -> bool:
    """Whether a tensor is such a count, which no captured function shows.

    >>> counts("bn.num_batches_tracked")
    True
    """
    return name.rsplit(".", 1)[-1] == COUNTER


def captured(
    function: Callable[..., Any] | str, /, *, port: Callable[..., Any] | None = None, **given: Any
) -> Captured:
    """Run a training function as it is: ``train = captured("mytrain.resnet_torch:train", width=16)``.

    function: the function itself, ``"module:function"`` or ``"file.py:function"``. It makes its model, optimizer and
    schedule and trains; each optimizer step becomes one record.

    given: arguments by name. A function among them is called, with what its own parameters name of the scenario, and gives
    the argument: ``loader=lambda x, y, batch_size: DataLoader(TensorDataset(x, y), batch_size)``. Anything else is handed
    over as it is. Arguments that are not given are the scenario's: its data, its hyperparameters, ``batch_size``,
    ``epochs``, ``order`` (which example comes when) and ``batches`` (its batches, anew in each pass, with a length).

    port: for TensorFlow, a function that gives the ``Port``. Its parameters are names of variables in the training function,
    or one for the model: ``port=lambda model: Port(("fc.weight", model.fc.kernel, "i o -> o i"), ...)``. Buffers belong in
    it too. Without it the rows are found, by how both sides respond to other values in their first step; a verdict says which
    of them are not proven, and `twinloop map PAIR` prints them.

    Raises UsageError for what is no function, or no name of one.
    """
    if isinstance(function, str):
        module, mark, name = function.rpartition(":")
        if not (mark and module and name):
            raise UsageError(f'captured({function!r}): write "module:function" or "file.py:function"')
    elif not callable(function):
        raise UsageError(f'captured({function!r}): give a training function, or where it is: "module:function"')
    if port is not None and not isinstance(port, FunctionType):
        raise UsageError(
            f"captured(..., port={type(port).__name__}): the model is made while training, so give a function: "
            "port=lambda model: Port(...)"
        )
    return Captured(function, given, port)
