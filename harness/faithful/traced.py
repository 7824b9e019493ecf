"""AutoGraph leaves our parts as they stand.

It rewrites whatever a `tf.function` calls, so that Python's branches may depend on tensors. None of ours does, and to rewrite
a loss takes up to half a second of a first step. TensorFlow's own `do_not_convert` marks in the same way, and wraps.
"""

from typing import TypeVar

T = TypeVar("T")


def as_it_stands(part: T) -> T:
    """Mark a function, or a class whose instances are called."""
    setattr(part, "autograph_info__", None)  # noqa: B010  # a type checker knows nothing of it
    return part
