"""Simple relations between two tensors that differ: a factor, another order in the batch, a shift by a step, decay.

Each candidate is tested against every step since the first disagreement and dropped when it fails once, so what is
left at the end explains the whole run. Nothing is kept but the candidates and a few numbers.
"""

from collections.abc import Callable

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage
from harness.oracle.gap import gap
from harness.verdict import CAUSES, Cause


class Relations:
    """The candidates still alive for one tensor."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = 0
        self.elements = 0
        self.factor: float | None = None
        self.decay: float | None = None
        self.at_first = ""
        self.alive: dict[str, Callable[[Array, Array, Record, Record, Record, float], bool | None]] = {
            "factor": self._factor,
            "order": self._order,
            "later": self._later,
            "earlier": self._earlier,
            "decay": self._decay,
        }
        self.tested: dict[str, int] = {}

    def update(
        self, left: Array, right: Array, previous: tuple[Record, Record], before: Record, tolerance: float
    ) -> None:
        """One more step: both sides' tensors, both records of the step before, the parameters before this step."""
        self.seen += 1
        if self.seen == 1:
            self._note_first(left, right, tolerance)
        self.elements = left.size
        for kind, test in list(self.alive.items()):
            outcome = test(left, right, *previous, before, tolerance)
            if outcome is False:
                del self.alive[kind]
            elif outcome:
                self.tested[kind] = self.tested.get(kind, 0) + 1

    @property
    def kind(self) -> Cause | None:
        """The simplest relation that held at every step; None for none."""
        for kind in CAUSES:
            enough = 1 if self.elements > 1 and kind in ("order", "factor") else 2
            if kind in self.alive and self.tested.get(kind, 0) >= enough:
                return kind
        return None

    def sentence(self, *, at_first: bool = True) -> str:
        """The relation in words; where there is none, with ``at_first``, a factor in the first disagreement."""
        said = {
            "factor": f"tensorflow's {self.name} is {nice(self.factor)} times torch's",
            "order": f"{self.name} holds the same rows in another order" + self._within(),
            "later": f"tensorflow's {self.name} is torch's of the step before",
            "earlier": f"tensorflow's {self.name} is torch's of the step after",
            "decay": f"{self._who()} adds the decay term {nice(abs(self.decay or 0))} * {self._term()} to {self.name}",
        }
        return said[self.kind] if self.kind else self.at_first if at_first else ""

    def _note_first(self, left: Array, right: Array, tolerance: float) -> None:
        """A factor in the very first disagreement, before it has changed everything else; of one number only if whole."""
        if self._factor(left, right, {}, {}, {}, tolerance) and self.factor:
            ratio = max(abs(self.factor), 1 / abs(self.factor))
            if left.size > 1 or (abs(ratio - round(ratio)) < 1e-9 * ratio and 2 <= round(ratio) <= 65536):
                self.at_first = f"there, tensorflow's {self.name} is {nice(self.factor)} times torch's"

    def _within(self) -> str:
        return " within the batch" if stage(self.name).batched else ""

    def _who(self) -> str:
        return "tensorflow" if (self.decay or 0) > 0 else "torch"

    def _term(self) -> str:
        return "sum(parameters^2) / 2" if self.name.startswith("loss") else "parameter"

    def _factor(self, left: Array, right: Array, _a: Record, _b: Record, _p: Record, tolerance: float) -> bool | None:
        x, y = left.astype(np.float64), right.astype(np.float64)
        size = float(np.vdot(x, x))
        if size == 0:
            return None if not y.any() else False
        if self.factor is None:
            self.factor = float(np.vdot(x, y)) / size
        return gap(self.factor * x, y) <= tolerance * max(1.0, abs(self.factor))

    def _order(self, left: Array, right: Array, _a: Record, _b: Record, _p: Record, tolerance: float) -> bool | None:
        if left.ndim == 0 or len(left) < 2:
            return False
        return gap(by_rows(left), by_rows(right)) <= tolerance

    def _later(
        self, left: Array, right: Array, before: Record, _b: Record, _p: Record, tolerance: float
    ) -> bool | None:
        return self._same(right, before.get(self.name), left, tolerance)

    def _earlier(
        self, left: Array, right: Array, _a: Record, before: Record, _p: Record, tolerance: float
    ) -> bool | None:
        return self._same(left, before.get(self.name), right, tolerance)

    def _same(self, now: Array, then: Array | None, other: Array, tolerance: float) -> bool | None:
        """Whether this step's tensor is the other side's of the step before; says nothing where all are the same."""
        if then is None or then.shape != now.shape:
            return None
        same = gap(now, then) <= tolerance
        return None if same and gap(now, other) <= tolerance else same

    def _decay(
        self, left: Array, right: Array, _a: Record, _b: Record, params: Record, tolerance: float
    ) -> bool | None:
        if self.name.startswith("loss") and left.ndim == 0:
            squares = [
                float(np.square(array, dtype=np.float64).sum())
                for array in params.values()
                if array is not None and array.dtype.kind == "f"
            ]
            term = np.asarray(sum(squares) / 2)
        else:
            match = params.get("params/" + self.name.split("/", 1)[-1])
            if match is None or match.shape != left.shape:
                return False
            term = match.astype(np.float64)
        size = float(np.vdot(term, term))
        if size == 0:
            return None if gap(left, right) <= tolerance else False
        difference = right.astype(np.float64) - left
        if self.decay is None:
            self.decay = float(np.vdot(term, difference)) / size
        return gap(self.decay * term, difference) <= tolerance


def by_rows(array: Array) -> Array:
    """The rows of an array in an order that depends on their values alone."""
    rows = array.reshape(len(array), -1)
    return rows[np.lexsort(rows.T[::-1])]


def nice(number: float | None) -> str:
    """A number as somebody would have typed it: 4, 0.01, 1/32, (1 + 1e-09)."""
    value = number or 0.0
    if value != 1 and f"{value:.6g}" == "1":
        return f"(1 {'+' if value > 1 else '-'} {abs(value - 1):.2g})"
    inverse = round(1 / value) if value else 0
    if (
        abs(value) < 1
        and inverse
        and abs(inverse) <= 4096
        and abs(value * inverse - 1) < 1e-6
        and f"{value:.6g}" != f"{value:.3g}"
    ):
        return f"{'-' if inverse < 0 else ''}1/{abs(inverse)}"
    return f"{value:.6g}"
