"""The step before, as far as a relation or a step that is skipped must be told by it: copies of small arrays."""

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage_of
from harness.oracle.rounding import UNIT32, UNIT64

SAME = 1024.0
"""Numbers of a matrix that are so few units in the last place apart are one and the same."""


KEPT = 1 << 15
"""Elements of an array up to which it is always kept for another look."""


class Before:
    """What both sides recorded in the step before.

    params: the reference's parameters. both: the two records. following: whether a difference is followed, so that large
    arrays are kept too. uniform: which matrices have held one number only at every step so far.
    """

    def __init__(self) -> None:
        self.params: Record = {}
        self.both: tuple[Record, Record] = ({}, {})
        self.following = False
        self.uniform: dict[str, bool] = {}

    def remember(self, left: Record, right: Record) -> None:
        """Copies for relations with the step before: of small arrays always, of large ones once a difference is followed."""

        def kept(record: Record) -> Record:
            return {
                name: None if array is None else array.copy()
                for name, array in record.items()
                if array is None or self.following or array.size <= KEPT
            }

        self.both = kept(left), kept(right)
        params = {name: array for name, array in self.both[0].items() if stage_of(name) == "params"}
        self.params = params or self.params

    def stood(self, left: Record) -> bool:
        """Whether the parameters are those of the step before, as in a step that is skipped."""
        before = {name: array for name, array in self.params.items() if array is not None}
        now = {name: array for name, array in left.items() if array is not None and name in before}
        return bool(now) and all(np.array_equal(before[name], array) for name, array in now.items())

    def note_uniform(self, left: Record) -> None:
        """Which matrices hold one number only in this step too."""
        for name, array in left.items():
            if stage_of(name) == "params" and array is not None and self.uniform.get(name, True):
                self.uniform[name] = is_uniform(array)


def is_uniform(array: Array) -> bool:
    """Whether a matrix holds one number only, up to a few units in its last place."""
    if array.dtype.kind != "f" or array.ndim < 2 or array.size < 2:
        return False
    unit = UNIT64 if array.dtype == np.float64 else UNIT32
    return float(np.ptp(array)) <= SAME * unit * float(np.abs(array).max())
