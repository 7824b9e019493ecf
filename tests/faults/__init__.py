"""The corpus: slips of porting as textual changes of real ports, and rewrites that are no slips. test_faults.py runs it.

Rows are data; ``seen`` tells where what invites a slip is written down, ``held`` has those of causes that the search knows
nothing of, and ``combinations`` names rows that are planted together.
"""

from faults import combinations, first, held, layers, loops, losses, optimizers, rewrites
from faults.seen import SEEN
from faults.table import PORT, Fault, Rewrite, edit

__all__ = ["COMBINATIONS", "FAULTS", "HELD", "PORT", "REWRITES", "SEEN", "Fault", "Rewrite", "edit"]

SINGLE = (*first.FAULTS, *optimizers.FAULTS, *losses.FAULTS, *layers.FAULTS, *loops.FAULTS, *held.FAULTS)
COMBINATIONS = tuple(combinations.combined({row.name: row for row in SINGLE}, names) for names in combinations.NAMES)
FAULTS = (*SINGLE, *COMBINATIONS)
HELD = held.CAUSES
REWRITES = (*first.REWRITES, *rewrites.REWRITES)
