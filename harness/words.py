"""Searching printed lines for words, as the command line does: case and underscores do not matter."""

import re
from collections.abc import Sequence

from harness.errors import nearest


def holds(text: str, words: Sequence[str]) -> bool:
    """Whether a text has every word in it.

    >>> holds("nn.MaxPool2d(2)", ["max_pool"])
    True
    """
    return all(bare(word) in bare(text) for word in words)


def bare(text: str) -> str:
    """A text without what people cannot remember of a name."""
    return text.casefold().replace("_", "")


def nothing_holds(words: Sequence[str], lines: Sequence[str], what: str, command: str) -> str:
    """The sentence for words that no line holds, with names from the lines that are like them.

    >>> nothing_holds(["momentm"], ["momentum=0.5"], "pair", "`twinloop list`")
    'no pair holds momentm; did you mean momentum? `twinloop list` alone shows all of them'
    """
    names = re.findall(r"[A-Za-z]\w+", " ".join(lines))
    guesses = [word if any(holds(line, [word]) for line in lines) else nearest(word, names) for word in words]
    guess = "; did you mean " + " ".join(guesses) + "?" if all(guesses) and guesses != list(words) else ";"
    return f"no {what} holds {' '.join(words)}{guess} {command} alone shows all of them"
