"""What the layers of one run are given and put out in a step, for whoever looks for the layer in which two sides part."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Lend, Record, lent

PROBES, BETWEEN = "probes", "\x1f"
"""The field of a record that holds them, and what stands between the words of a name there."""

GIVEN, MADE = "given", "made"

MOST = 8
"""Calls of one layer in one step that are kept: its first ones."""


@dataclass(frozen=True)
class Probe:
    """A layer's call in a step: the tensors that it holds itself by their names, what it was given, what it put out.

    behind: how many other layers with tensors of their own had been called before.
    """

    behind: int
    names: tuple[str, ...]
    given: tuple[Array, ...]
    made: Array | None


@dataclass
class Call:
    """The same while the step lasts; the layer is kept, so that no other can have its identity."""

    layer: Any
    own: tuple[Any, ...]
    given: list[Array]
    made: Array | None


@dataclass
class Probing:
    """Whether the layers of this process's loop are listened to, and what was heard in this step, in order."""

    on: bool = False
    calls: list[Call] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)

    def begin(self, *, on: bool) -> None:
        """Another loop is started."""
        self.on, self.calls, self.counts = on, [], {}

    def hear(self, layer: Any, own: Sequence[Any], given: Any, made: Any, lend: Lend) -> None:
        """A layer was called. Its numbers are copied at once, for what comes next may write over them."""
        if self.on and own and self.counts.get(id(layer), 0) < MOST:
            self.counts[id(layer)] = self.counts.get(id(layer), 0) + 1
            put_out = copied(made, lend)
            self.calls.append(Call(layer, tuple(own), copied(given, lend), put_out[0] if put_out else None))

    def record(self, live: Mapping[str, Any], identity: Callable[[Any], Sequence[Any]]) -> Record:
        """What was heard in this step, as fields of its record, and forget it.

        live: a record's tensors by their fields, from which a layer's have their names. identity: the objects of which
        such a tensor is made; a layer that holds a part of them only has no name for it.
        """
        named = {
            name.partition("/")[2]: {id(leaf) for leaf in identity(tensor)}
            for name, tensor in live.items()
            if name.startswith(("params/", "buffers/"))
        }
        made: Record = {}
        before: set[int] = set()
        for number, call in enumerate(self.calls):
            own = set(map(id, call.own))
            names = [name for name, leaves in named.items() if leaves <= own]
            behind = len(before - {id(call.layer)})
            before.add(id(call.layer))
            every = [(MADE, call.made), *((f"{GIVEN} {at}", array) for at, array in enumerate(call.given))]
            for kind, array in every:
                if names and array is not None:
                    made[f"{PROBES}/{BETWEEN.join([str(number), str(behind), kind, *names])}"] = array
        self.calls, self.counts = [], {}
        return made


HEARD = Probing()


def copied(value: Any, lend: Lend) -> list[Array]:
    """Every array of floating-point numbers in a nest of tensors."""
    if isinstance(value, tuple | list | Mapping):
        every = value.values() if isinstance(value, Mapping) else value
        return [array for item in every for array in copied(item, lend)]
    if not hasattr(value, "shape"):
        return []
    # What holds no numbers yet, as a symbol while a model is built, is nothing that could be compared.
    with suppress(TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError):
        array = np.array(lent(value, lend))
        return [array] if array.dtype.kind == "f" else []
    return []


def apart_from_probes(record: Record) -> tuple[Record, Record]:
    """What a loop recorded, and what its layers were heard to do."""
    heard = {name: array for name, array in record.items() if name.startswith(f"{PROBES}/")}
    return {name: array for name, array in record.items() if name not in heard}, heard


def probes(record: Record) -> list[Probe]:
    """What ``Probing.record`` has put into a record, in the order of calls."""
    found: dict[int, dict[str, Array]] = {}
    of: dict[int, tuple[int, tuple[str, ...]]] = {}
    for name, array in record.items():
        stage, _, rest = name.partition("/")
        if stage == PROBES and array is not None:
            number, behind, kind, *own = rest.split(BETWEEN)
            found.setdefault(int(number), {})[kind] = array
            of[int(number)] = int(behind), tuple(own)
    return [
        Probe(*of[at], tuple(array for kind, array in found[at].items() if kind != MADE), found[at].get(MADE))
        for at in sorted(found)
    ]
