"""What a user did that cannot work, as one sentence that says what to do instead."""

import difflib
from collections.abc import Iterable

SHORT, LONG = 8, 20
"""Names that a sentence may list beside a guess: where a command lists all of them, and where nothing else does."""


class UsageError(ValueError):
    """Bad input: the message names the place and what there is instead. The command line turns it into exit code 2."""


def instead(name: str, known: Iterable[str], what: str, *, command: str = "") -> str:
    """The sentence for a name that does not exist; ``command`` shows all that do, where they are too many for it.

    >>> instead("mpl", ["mlp", "gan"], "pair")
    'no pair called mpl; did you mean mlp? There are: gan, mlp'
    """
    return f"no {what} called {name}" + suggestion(name, known, command=command)


def suggestion(name: str, known: Iterable[str], *, command: str = "") -> str:
    """The half of a sentence that says what there is instead of ``name``.

    >>> suggestion("epohs", ["epochs", "data"])
    '; did you mean epochs? There are: data, epochs'
    >>> suggestion("pair_3o", [f"pair_{n}" for n in range(30)], command="`twinloop list`")
    '; did you mean pair_3? `twinloop list` shows all 30'
    """
    options = sorted(known)
    if not options:
        return "; there are none"
    near = nearest(name, options)
    guess = f"; did you mean {near}?" if near else ""
    if command and len(options) > SHORT:
        return f"{guess or ';'} {command} shows all {len(options)}"
    if near and len(options) > LONG:
        return guess
    listing = ", ".join(options)
    return f"{guess} There are: {listing}" if near else f"; there are: {listing}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that is most like this one, or nothing if none is.

    >>> nearest("mini-bacth", ["mini_batch", "gan"])
    'mini_batch'
    """
    alike = {plain(option): option for option in known}
    return next((alike[text] for text in difflib.get_close_matches(plain(name), alike, n=1, cutoff=0.5)), "")


def plain(name: str) -> str:
    """A name without what people get wrong first: case, and hyphens."""
    return name.casefold().replace("-", "_")


def counted(number: int, noun: str) -> str:
    """A number of things, in words that fit it.

    >>> counted(1, "step"), counted(3, "step")
    ('1 step', '3 steps')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
