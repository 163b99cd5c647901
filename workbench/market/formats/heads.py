"""Looking at the first bytes of a file to recognise it."""

import csv

__all__ = ["first_line", "first_lines", "split_line"]


def first_lines(head: bytes, count: int) -> list[str]:
    """The first lines that are not blank, at most `count`, without their ends."""
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = (line.strip() for line in text.splitlines()[: count + 1_000])
    return [line for line in lines if line][:count]


def first_line(head: bytes) -> str:
    """The first line that is not blank."""
    return next(iter(first_lines(head, 1)), "")


def split_line(line: str, separator: str) -> list[str]:
    """The fields of a line as a person would see them, quotes taken off where they pair."""
    shown = line.replace("\0", "\\0").replace("\r", "\\r").replace("\n", "\\n")
    try:
        return next(csv.reader([shown], delimiter=separator, skipinitialspace=True), [""])
    except csv.Error:  # a field longer than any
        return shown.split(separator)
