"""What the rows that causes.py has written come to: how much of the corpus was found, named, proved and mended, as figures."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

Row = dict[str, Any]


def share(rows: Sequence[Row], key: str) -> dict[str, Any]:
    """How many of some rows have it."""
    count = sum(bool(row[key]) for row in rows)
    return {"of": len(rows), "count": count, "percent": round(100 * count / len(rows), 1) if rows else None}


def figures(rows: Iterable[Row]) -> dict[str, Any]:
    """The figures of "what it must show"; a kind that was not run has none.

    Rows of causes that the search knows nothing of are apart. "rank one" and "within three" are counted over faults whose
    cause has a row, one mistake each; "reproduced" is a right cause called proved.
    """
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row)
    whole = kinds.get("detect", [])
    seen = {row["fault"] for row in whole}
    others = {row["fault"]: row for kind in ("quick", "name") for row in kinds.get(kind, [])}
    detected = [*whole, *(row for fault, row in others.items() if fault not in seen)]
    whole += [row for row in kinds.get("name", []) if row["fault"] not in seen]
    rewritten = kinds.get("rewrite", [])
    named = [row for row in kinds.get("name", []) if row["status"] == "DIFFERENT"]
    known = [row for row in named if not row["held"] and not row["several"]]
    held = [row for row in named if row["held"]]
    narrow = [row for row in kinds.get("float32", []) if row["status"] == "DIFFERENT" and not row["several"]]
    forward = [row for row in narrow if not row["held"] and row["stage"] in ("outputs", "loss")]
    mended = [row for row in kinds.get("mend", []) if row["status"] == "DIFFERENT"]
    mended_known = [row for row in mended if not row["held"] and not row["several"]]
    several = [row for row in mended if row["several"]]
    found: dict[str, Any] = {
        "detection": share(detected, "found"),
        "of these by the whole rule": share(whole, "found"),
        "false alarms": share(rewritten, "alarm"),
        "first stage": share([row for row in detected if row["found"]], "stage right"),
        "rank one": share(known, "first"),
        "within three": share(known, "within"),
        "reproduced to rounding": share(known, "reproduced"),
        "and nothing else does": share(known, "proved"),
        "by chance": {"of": len(known), "count": round(sum(row["chance"] for row in known), 1)},
        "layer, of causes with a row": share([row for row in known if row["layer"]], "layer right"),
        "wrong called proved": share(named, "wrong proved"),
        "without a row: silent": share(held, "silent"),
        "without a row: layer or site": share([row for row in held if row["layer"]], "layer right"),
        "without a row: stage and step": share(held, "stage right"),
        "float32 alone, forward and loss": share(forward, "first"),
        "mended": share(mended_known, "mended"),
        "printed as a patch": share(mended_known, "patch"),
        "several: all removed": share(several, "mended"),
        "wrong fixes called proved": share(mended, "wrong proved"),
    }
    if named:
        seconds = [row["seconds"] for row in named]
        found["seconds of a diagnosis with the run"] = {
            "median": round(median(seconds), 1),
            "most": round(max(seconds), 1),
        }
    return found


def confusions(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    """What was named first for which cause, where it was another: the commonest first."""
    wrong = [
        (row["cause"], row["named"] or "unknown")
        for row in rows
        if row["kind"] == "name" and row["status"] == "DIFFERENT" and not row["held"] and not row["first"]
    ]
    return [(cause, named, count) for (cause, named), count in Counter(wrong).most_common()]
