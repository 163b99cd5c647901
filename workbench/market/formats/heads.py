"""Looking at the first bytes of a file to recognise it."""

__all__ = ["first_line", "first_lines"]


def first_lines(head: bytes, count: int) -> list[str]:
    """The first lines that are not blank, at most `count`, without their ends."""
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = (line.strip() for line in text.splitlines()[: count + 1_000])
    return [line for line in lines if line][:count]


def first_line(head: bytes) -> str:
    """The first line that is not blank."""
    return next(iter(first_lines(head, 1)), "")
