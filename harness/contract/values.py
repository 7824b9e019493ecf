"""Values of hyperparameters: rounded to float32, written as somebody would type them, and read back."""

import numpy as np

from harness.errors import UsageError

Value = int | float | bool | str | tuple[float, ...]
NUMBERS = {1: "one number is", 2: "two numbers are", 3: "three numbers are", 4: "four numbers are"}


def snap(value: Value) -> Value:
    """Floats rounded to what float32 can hold; anything else as it is."""
    if isinstance(value, tuple | list):
        return tuple(float(np.float32(item)) for item in value)
    return float(np.float32(value)) if isinstance(value, float) else value


def format_value(value: Value) -> str:
    """A value as somebody would type it: the shortest text that float32 reads back."""
    if isinstance(value, tuple):
        return ",".join(format_value(item) for item in value)
    return np.format_float_positional(np.float32(value), trim="-") if isinstance(value, float) else str(value)


def read_value(name: str, text: str, like: Value) -> Value:
    """``text`` as a value of the same type as ``like``; raises UsageError with what was expected."""
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if isinstance(like, int):
            return int(text)
        if isinstance(like, tuple):
            parts = tuple(float(part) for part in text.split(","))
            if len(parts) != len(like):
                needed = NUMBERS.get(len(like), f"{len(like)} numbers are")
                raise UsageError(f"{name}={text}: {needed} needed, like {format_value(like)}")
            return parts
        return float(text) if isinstance(like, float) else text
    except UsageError:
        raise
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "a whole number", float: "a number", tuple: "numbers with commas between"}
        raise UsageError(f"{name}={text}: expected {kind[type(like)]}, like {format_value(like)}") from None
