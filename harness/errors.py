"""What a user did that cannot work, as one sentence that says what to do instead."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Bad input: the message names the place and what there is instead. The command line turns it into exit code 2."""


def instead(name: str, known: Iterable[str], what: str) -> str:
    """The sentence for a name that does not exist.

    >>> instead("mpl", ["mlp", "gan"], "pair")
    'no pair called mpl; did you mean mlp? There are: gan, mlp'
    """
    options = sorted(known)
    alike = {option.casefold().replace("-", "_"): option for option in options}
    near = [
        alike[text] for text in difflib.get_close_matches(name.casefold().replace("-", "_"), alike, n=1, cutoff=0.5)
    ]
    guess = f"; did you mean {near[0]}?" if near else ";"
    listing = f" There are: {', '.join(options)}" if near else f" there are: {', '.join(options)}"
    return f"no {what} called {name}{guess}{listing}" if options else f"no {what} called {name}; there are none"
