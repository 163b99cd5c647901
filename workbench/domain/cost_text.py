"""JSON of cost books as a person likes to edit it."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["json_text"]


def json_text(value: Mapping[str, Any]) -> str:
    """JSON of a book or history with lists of numbers on lines of 24."""
    lists: list[str] = []

    def held_back(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {key: held_back(inner) for key, inner in item.items()}
        if isinstance(item, list | tuple) and all(isinstance(inner, int) for inner in item):
            lists.append(_rows(item))
            return f"\0{len(lists) - 1}\0"
        return [held_back(inner) for inner in item] if isinstance(item, list | tuple) else item

    text = json.dumps(held_back(value), indent=2, ensure_ascii=False)
    for number, rows in enumerate(lists):
        text = text.replace(f'"\\u0000{number}\\u0000"', rows)
    return text + "\n"


def _rows(numbers: Any) -> str:
    rows = [", ".join(map(str, numbers[at : at + 24])) for at in range(0, len(numbers), 24)]
    return (
        f"[{rows[0] if rows else ''}]"
        if len(rows) < 2
        else "[\n        " + ",\n        ".join(rows) + "\n      ]"
    )
