"""Values of hyperparameters and whole numbers as they stand on the command line."""

from harness.errors import UsageError


def setting(text: str) -> tuple[str, str]:
    """NAME=VALUE as two strings."""
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise UsageError(f"--set {text}: write NAME=VALUE, such as --set momentum=0.9")
    return name, value


def whole(name: str, text: str) -> int:
    """A whole number from the command line."""
    try:
        number = int(text)
    except ValueError:
        raise UsageError(f"{name}={text}: expected a whole number") from None
    if number < 1:
        raise UsageError(f"{name}={text}: at least 1 is needed")
    return number
