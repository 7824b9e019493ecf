"""What to write in TensorFlow for what stands in PyTorch: data only, and every row of it is run by the tests.

A row holds two expressions that do the same, so `twinloop faithful` prints what was compared. "plain" rows need nothing
but the right arguments; "faithful" rows name a part of `harness.faithful`, because no arguments of Keras' own will do.
The names that expressions may use are `torch`, `nn`, `F`, `optim`; and `tf`, `keras`, `faithful`.
"""

from harness.faithful.rows_convolutions import CONVOLUTIONS, POOLING
from harness.faithful.rows_functions import ACTIVATIONS, OPERATIONS
from harness.faithful.rows_layers import LAYERS, NORMALIZATIONS, RECURRENT
from harness.faithful.rows_training import LOSSES, OPTIMIZERS

SECTIONS = {
    "Layers": LAYERS,
    "Convolutions": CONVOLUTIONS,
    "Normalization": NORMALIZATIONS,
    "Recurrence and attention": RECURRENT,
    "Pooling and resizing": POOLING,
    "Activations": ACTIVATIONS,
    "Losses": LOSSES,
    "Optimizers and clipping": OPTIMIZERS,
    "Operations": OPERATIONS,
}

ROWS = tuple(row for rows in SECTIONS.values() for row in rows)
