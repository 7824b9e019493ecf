"""Summaries that the README's tables are made from: small JSON files, one line for every row, so that a change is read."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def write(file: Path, summary: dict[str, Any]) -> None:
    """Write a summary."""

    def text(value: Any) -> str:
        if isinstance(value, list):
            return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in value) + "\n ]"
        return json.dumps(value)

    body = ",\n".join(f" {json.dumps(name)}: {text(value)}" for name, value in summary.items())
    file.write_text("{\n" + body + "\n}\n", encoding="utf-8")


def read(name: str) -> dict[str, Any]:
    """The summary of this name; an empty one if it was not recorded."""
    file = FOLDER / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
