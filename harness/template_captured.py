"""What `twinloop new --torch ... --tensorflow ...` writes: a pair of two training functions as they are, read but not run."""

import ast
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError, instead
from harness.template import write_files

LOADERS = (
    "batches",
    "data",
    "dataloader",
    "dataset",
    "ds",
    "loader",
    "train_data",
    "train_dataset",
    "train_ds",
    "train_loader",
)
"""What people call an argument that gives batches."""

BATCHED = ("loader", "dataset", "_ds", "batches", "_iter", "_iterator")
"""How such a name ends."""

ARRAYS = ("dim", "dtype", "flatten", "ndim", "reshape", "shape", "size", "view")
"""Attributes that an array has, and what gives batches has not."""

TAKING = ("DataLoader", "TensorDataset", "from_tensor_slices")
"""Calls that make batches of arrays."""

ALIASES = {
    **dict.fromkeys(("n_epochs", "nb_epochs", "nb_epoch", "num_epochs", "max_epochs", "num_train_epochs"), "epochs"),
    **dict.fromkeys(("batchsize", "bs", "train_batch_size"), "batch_size"),
}
"""Other names of what every scenario has."""

LABELS = ("goal", "goals", "label", "labels", "target", "targets", "y", "y_train")
OWN = ("batch_size", "epochs")
DATA = {"x": "normal(64, 8)", "y": "integers(64, high=3)"}
MAKERS = {
    "torch": (
        "from torch.utils.data import DataLoader, TensorDataset\n",
        "DataLoader(TensorDataset({names}), batch_size)",
    ),
    "tensorflow": ("import tensorflow as tf\n", "tf.data.Dataset.from_tensor_slices(({names})).batch(batch_size)"),
}


@dataclass(frozen=True)
class Signature:
    """A training function, read from its file: the arguments that it needs, and the numbers that it takes otherwise.

    arrays: those that are arrays, by their names and by what is done with them. named: what it calls epochs and batch size.
    """

    name: str
    needed: tuple[str, ...]
    numbers: dict[str, str]
    defaults: dict[str, str]
    arrays: list[str]
    named: dict[str, str]


def write_captured(root: Path, name: str, torch: str, tensorflow: str) -> Path:
    """Write a pair of two training functions, each ``"module:function"`` or ``"file.py:function"``.

    Raises UsageError for a function that is not there, a bad name, or one that is taken.
    """
    left, right = read(torch), read(tensorflow)
    arrays = left.arrays or right.arrays or list(DATA)
    data = {key: DATA["y"] if key in LABELS else DATA["x"] for key in arrays}
    hyper = {key: f'"{key}": {left.numbers[key]}' for key in left.numbers if key in right.numbers}
    numbers = right.defaults | left.defaults
    lines = [
        f"from harness import {', '.join(['Scenario', *sorted({text.split('(')[0] for text in data.values()})])}",
        "",
        "scenario = Scenario(",
        f'    "{torch} and {tensorflow} train the same.",',
        "    data={  # shapes and kinds as the functions take them; the first axis counts examples",
        *(f'        "{key}": {value},' for key, value in data.items()),
        "    },",
        f"    batch_size={numbers.get('batch_size', '8')},",
        f"    epochs={numbers.get('epochs', '2')},",
        *([f"    hyper={{{', '.join(hyper.values())}}},"] if hyper else []),
        ")",
        "",
    ]
    return write_files(
        root,
        name,
        {
            "scenario.py": "\n".join(lines),
            "torch_loop.py": loop("torch", torch, left, arrays),
            "tensorflow_loop.py": loop("tensorflow", tensorflow, right, arrays),
        },
    )


def loop(side: str, where: str, signature: Signature, arrays: list[str]) -> str:
    """The file of a side."""
    given, imports = [], ""
    names = ", ".join(arrays)
    for position, argument in enumerate(signature.needed):
        if argument in arrays or argument in signature.named:
            continue
        if argument not in signature.arrays:
            imports, maker = MAKERS[side]
            given.append(f"    {argument}=lambda {names}, batch_size: {maker.format(names=names)},\n")
        elif position < len(arrays):
            given.append(f"    {argument}=lambda {arrays[position]}: {arrays[position]},\n")
    given += [f"    {argument}=lambda {known}: {known},\n" for argument, known in signature.named.items()]
    head = f"{imports}\nfrom harness import captured\n\n" if imports else "from harness import captured\n\n"
    if not given:
        return f'{head}train = captured("{where}")\n'
    return f'{head}train = captured(\n    "{where}",\n' + "".join(given) + ")\n"


def read(where: str) -> Signature:
    """A function's arguments, from the file that it stands in. Raises UsageError if it is not found."""
    place, mark, name = where.rpartition(":")
    if not (mark and place and name):
        raise UsageError(f'{where!r}: write MODULE:FUNCTION or FILE.py:FUNCTION, such as "mytrain.resnet_torch:train"')
    file = found(place)
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if name not in functions:
        raise UsageError(f"{file}: {instead(name, functions, 'function')}")
    arguments = functions[name].args
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    pairs: list[tuple[ast.arg, ast.expr | None]] = [
        *((argument, None) for argument in positional[:without]),
        *zip(positional[without:], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    defaults = {argument.arg: ast.unparse(default) for argument, default in pairs if default is not None}
    numbers = {key: text for key, text in defaults.items() if isinstance(literal(text), float)}
    needed = tuple(argument.arg for argument, default in pairs if default is None)
    whole = {
        ALIASES.get(key, key): text
        for key, text in defaults.items()
        if ALIASES.get(key, key) in OWN and isinstance(literal(text), int)
    }
    named = {argument.arg: ALIASES[argument.arg] for argument, _ in pairs if argument.arg in ALIASES}
    arrays = [key for key in needed if key not in (*OWN, *named) and not batched(functions[name], key)]
    return Signature(name, needed, numbers, whole, arrays, named)


def batched(function: ast.FunctionDef, argument: str) -> bool:
    """Whether an argument gives batches, by its name, unless the function does with it what is done with an array."""
    if argument not in LOADERS and not argument.endswith(BATCHED):
        return False
    return not any(
        (isinstance(node, ast.Subscript) and means(node.value, argument))
        or (isinstance(node, ast.Attribute) and node.attr in ARRAYS and means(node.value, argument))
        or (isinstance(node, ast.Call) and takes_arrays(node) and any(means(each, argument) for each in node.args))
        for node in ast.walk(function)
    )


def means(node: ast.expr, argument: str) -> bool:
    """Whether an expression is this argument."""
    return isinstance(node, ast.Name) and node.id == argument


def takes_arrays(call: ast.Call) -> bool:
    """Whether a call makes batches of what it is given: a loader of arrays, or ``fit`` with a batch size."""
    name = ast.unparse(call.func).rpartition(".")[2]
    return name in TAKING or (name == "fit" and any(keyword.arg == "batch_size" for keyword in call.keywords))


def literal(text: str) -> object:
    """The value of a literal; None of any other expression."""
    try:
        return ast.literal_eval(text)
    except ValueError:
        return None


def found(place: str) -> Path:
    """The file of a module, or the file itself; looked for here and in src/."""
    path = Path(place) if place.endswith(".py") else Path(*place.split(".")).with_suffix(".py")
    for root in (Path(), Path("src")):
        for file in (root / path, root / path.with_suffix("") / "__init__.py"):
            if file.is_file():
                return file
    raise UsageError(f"there is no {path}, here or in src/; run this where the package is, or name the file")
