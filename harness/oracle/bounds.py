"""The bounds that decide a verdict, each with its reason. None is for a user to set."""

THRESHOLD = 1000.0
"""An excess above this is a difference. Valid ports stay below 100, most mistakes lie above a million: the README's evidence."""

WEAKER_THRESHOLD = 100.0
"""The same for the weaker rule, which compares with one run's rounding and not with two precisions."""

APPEAL_THRESHOLD = 100.0
"""The same on appeal: times the distance by which a unit in the weights moves a float64 run from itself."""

STAGE_FLOOR = 2.0**-28
"""Noise is never taken to be less than this part of the largest tensor of its group: a gradient that is zero in exact
arithmetic may come out as exactly 0 on one side and as a rounded sum of large numbers on the other."""

SATURATION = 0.01
"""Float32 has lost the trajectory once its noise in the loss is this part of the loss's scale: the horizon."""

DRIFT = 1e-4
"""Once float32's noise in the loss is this part of it, counts in float32 may differ by what rounding has become."""

GROSS = 0.01
"""A float32 run this far, relatively, from its float64 run, and no other one, is another computation."""

BETTER = 100.0
"""So many times closer must the other side's float32 run be, for the first to stand alone."""

SEVERAL = 3
"""Steps for which a float32 run stands alone, and not by one decision that rounding tipped."""

APPEALS = 2
"""Runs from weights that are one unit off, each from another draw, before a difference is said not to be rounding."""

STAYS = 10
"""Runs from other weights, each one unit off, in all of which a float32 run must stand alone where it did. A decision that
rounding tipped comes out otherwise in each of them with an even chance or better; one in a thousand would be left."""

NEAR = 10.0
"""Both sides have lost the loss if one's noise is no more than so many times the other's."""

MEMORY = 1e-3
"""A loss is measured by what it is of late, or by this part of what it ever was."""

TIPS = 4
"""So many times as many whole numbers may differ as a unit in the weights tips."""

TIED = 8
"""Of a tensor with fewer elements, none is taken to lie halfway between two numbers of a short type."""
