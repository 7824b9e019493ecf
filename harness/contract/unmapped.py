"""What a loop gets where its Ports have no rows yet: the variables under their own names, in TensorFlow's axis order.

``Port.match(model)`` asks ``HELD`` what it is. Whoever runs a loop says so beforehand: nothing is known (then it is an
error), the variables are to be found out (``Blind``), or rows are known.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.contract.port import Port
from harness.contract.rows import Row
from harness.contract.sides import Tensor
from harness.errors import UsageError


@dataclass
class Variables:
    """The variables of one loop by the names they are matched under: paths, numbered where several have the same."""

    keys: dict[int, str] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    loaded: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    outputs: dict[tuple[int, ...], tuple[tuple[Any, ...], Any]] = field(default_factory=dict)

    def put_out(self, own: Sequence[Any], output: Any) -> None:
        """A layer that holds these variables itself has been called; its first output counts."""
        if own:
            self.outputs.setdefault(tuple(map(id, own)), (tuple(own), output))

    def key(self, variable: Any) -> str:
        """The name of a variable; a new one if it was not seen yet."""
        if id(variable) not in self.keys:
            path = re.sub(r":\d+$", "", str(getattr(variable, "path", None) or getattr(variable, "name", "")))
            path = path or "variable"
            count = sum(name == path or name.startswith(f"{path}#") for name in self.known)
            name = f"{path}#{count + 1}" if count else path
            self.keys[id(variable)], self.known[name] = name, variable
        return self.keys[id(variable)]

    def note(self, row: tuple[Any, ...]) -> None:
        """Remember a row as the loop has written it; one without a name is none."""
        names = row[0] if isinstance(row[0], tuple) else row[:1]
        if all(names):
            pattern = row[2] if len(row) > 2 else None
            sizes = tuple(row[3].items()) if len(row) > 3 else ()
            self.rows.append(Row(tuple(names), tuple(map(self.key, targets(row))), pattern, sizes))

    def tensors(self, written: Mapping[int, str]) -> tuple[Tensor, ...]:
        """The variables that were loaded, in order. written: expressions of the loop by the identity of a variable."""
        return tuple(
            Tensor(
                name,
                tuple(map(int, variable.shape)),
                whole=re.match(r".*(int|bool)", str(getattr(variable, "dtype", ""))) is not None,
                trained=bool(getattr(variable, "trainable", True)),
                written=written.get(id(variable), ""),
            )
            for name, variable in self.loaded.items()
        )


def targets(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The variables of a Port's row."""
    return tuple(row[1]) if isinstance(row[1], tuple | list) else (row[1],)


@dataclass
class Holder:
    """What the ports of the loop that runs in this process are made from.

    blind: they are to have no rows. rows: the map, once it is known.
    """

    blind: bool = False
    rows: tuple[Row, ...] = ()
    variables: Variables = field(default_factory=Variables)

    def begin(self, *, blind: bool = False, rows: Sequence[Row] = ()) -> None:
        """Another loop is started."""
        self.blind, self.rows, self.variables = blind, tuple(rows), Variables()


HELD = Holder()


class Blind(Port):
    """A Port whose rows nobody knows: variables under their own names. It loads those values that are there."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        for row in rows:
            HELD.variables.note(row)
        leaves = [leaf for row in rows for leaf in targets(row)]
        unique = {id(leaf): leaf for leaf in leaves}
        super().__init__(*((HELD.variables.key(leaf), leaf) for leaf in unique.values()))

    def load(self, weights: Mapping[str, Any]) -> None:
        """Put values that are given by the variables' own names into them; none at all when they are only listed."""
        named = self.named(self.variables)
        HELD.variables.outputs.clear()  # calls that only build a model came before
        HELD.variables.loaded |= dict(zip(named, self.variables, strict=True))
        for name, view in named.items():
            if name in weights:
                view.assign(weights[name].numpy() if hasattr(weights[name], "numpy") else weights[name])
        if self.buffers is not None:
            self.buffers.load(weights)


def variables_of(sources: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """The trainable variables of models, layers or lists of variables, and the others, each once.

    Raises UsageError for what has none.
    """
    trained: dict[int, Any] = {}
    others: dict[int, Any] = {}
    for source in sources:
        if isinstance(source, list | tuple):
            variables = list(source)
        elif hasattr(source, "assign"):
            variables = [source]
        else:
            variables = list(getattr(source, "variables", ()))
        if not variables:
            raise UsageError(
                f"Port.match: {type(source).__name__} has no variables; call the model once before, so that it is built"
            )
        for variable in variables:
            if "seed_generator_state" in str(getattr(variable, "path", getattr(variable, "name", ""))):
                continue
            (trained if getattr(variable, "trainable", True) else others)[id(variable)] = variable
    return list(trained.values()), list(others.values())


def matched(*sources: Any) -> Port:
    """See ``Port.match``."""
    trained, others = variables_of(sources)
    if HELD.blind:
        port: Port = Blind(*(("", variable) for variable in trained))
        port.buffers = Blind(*(("", variable) for variable in others)) if others else None
        return port
    if not HELD.rows:
        raise UsageError(
            "Port.match needs both sides to find its rows, which `twinloop run` and pytest do; in a loop that runs by "
            "itself write the rows out: `twinloop map PAIR` prints them"
        )
    made = [of_rows(trained), of_rows(others)]
    lacking = [name for port, variables in zip(made, (trained, []), strict=True) for name in unmapped(port, variables)]
    if lacking:
        raise UsageError(
            f"Port.match: no tensor of torch's was found for {', '.join(lacking)}; `twinloop map PAIR` says what is left"
        )
    made[0].buffers = made[1] if made[1].variables else None
    return made[0]


def of_rows(variables: Sequence[Any]) -> Port:
    """A Port of the known rows whose variables are among these."""
    keys = {HELD.variables.key(variable): variable for variable in variables}
    return Port(*(row.given(keys) for row in HELD.rows if set(row.variables) <= set(keys)))


def unmapped(port: Port, variables: Sequence[Any]) -> list[str]:
    """The variables that are in no row of a Port."""
    there = {id(variable) for variable in port.variables}
    return [HELD.variables.key(variable) for variable in variables if id(variable) not in there]
