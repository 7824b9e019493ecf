"""twinloop: is this TensorFlow training loop the same training as that PyTorch one, and if not, where does it part?"""

from harness.contract.captured import captured
from harness.contract.port import Port
from harness.contract.problem import Problem, make_problem
from harness.contract.recipes import (
    Recipe,
    coins,
    computed,
    counter,
    fan_in_uniform,
    integers,
    normal,
    ones,
    uniform,
    zeros,
)
from harness.contract.scenario import Accepted, Range, Scenario, between, one_of
from harness.contract.stored import from_file, initial
from harness.errors import UsageError

__all__ = [
    "Accepted",
    "Port",
    "Problem",
    "Range",
    "Recipe",
    "Scenario",
    "UsageError",
    "between",
    "captured",
    "coins",
    "computed",
    "counter",
    "fan_in_uniform",
    "from_file",
    "initial",
    "integers",
    "make_problem",
    "normal",
    "one_of",
    "ones",
    "uniform",
    "zeros",
]
