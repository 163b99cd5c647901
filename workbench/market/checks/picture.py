"""A picture of what is there and what is missing: one square a day, one column a week, one row a year.

Drawn as SVG in the text's own colour and two that show on a light and on a dark ground.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

__all__ = ["calendar_picture"]

_CELL, _GAP = 11, 2
_STEP = _CELL + _GAP
_LEFT, _TOP = 44, 16
_DAYS = ("Mon", "", "Wed", "", "Fri")
_SHOWN_YEARS = 30
_LEVELS = ((0.999, "#2e8b57", 1.0), (0.95, "#2e8b57", 0.65), (0.5, "#d99000", 0.9), (-1.0, "#d03a3a", 0.95))
_WORDS = ("complete", "95 % or more", "half or more", "less")


def calendar_picture(days: Sequence[tuple[str, int, int]]) -> str:
    """SVG of how complete each FX day is, from (ISO date, present, expected); empty without days."""
    found = {date.fromisoformat(session): (present, expected) for session, present, expected in days}
    if not found:
        return ""
    years = sorted({session.year for session in found})[-_SHOWN_YEARS:]
    height = _TOP + len(years) * (5 * _STEP + 14) + 20
    width = _LEFT + 54 * _STEP
    parts = [
        f"<svg role='img' aria-label='days with and without data' viewBox='0 0 {width} {height}' "
        f"width='{width}' style='max-width:100%;height:auto' fill='currentColor' font-size='10'>"
    ]
    parts += _months(years[0])
    for row, year in enumerate(years):
        parts += _year(year, found, top=_TOP + row * (5 * _STEP + 14))
    parts += _legend(height - 12)
    return "".join([*parts, "</svg>"])


def _year(year: int, found: dict[date, tuple[int, int]], *, top: int) -> Iterator[str]:
    yield f"<text x='0' y='{top + 9}' font-weight='bold'>{year}</text>"
    for row, name in enumerate(_DAYS):
        if name and row:
            yield f"<text x='18' y='{top + row * _STEP + 9}' opacity='.6'>{name}</text>"
    first_monday = date(year, 1, 1) - timedelta(days=date(year, 1, 1).weekday())
    day = date(year, 1, 1)
    while day.year == year:
        if day.weekday() < 5:
            x = _LEFT + (day - first_monday).days // 7 * _STEP
            y = top + day.weekday() * _STEP
            yield _square(x, y, day, found.get(day))
        day += timedelta(days=1)


def _square(x: int, y: int, day: date, counts: tuple[int, int] | None) -> str:
    place = f"x='{x}' y='{y}' width='{_CELL}' height='{_CELL}' rx='2'"
    if counts is None or counts == (0, 0):
        return f"<rect {place} opacity='.08'/>"
    present, expected = counts
    share = present / expected if expected else 1.0
    colour, opacity = next((colour, opacity) for least, colour, opacity in _LEVELS if share >= least)
    return (
        f"<rect {place} fill='{colour}' fill-opacity='{opacity}'>"
        f"<title>{day:%a %d %b %Y}: {present:,} of {expected:,}</title></rect>"
    )


def _months(year: int) -> Iterator[str]:
    for month in range(1, 13):
        x = _LEFT + (date(year, month, 1).timetuple().tm_yday - 1) // 7 * _STEP
        yield f"<text x='{x}' y='10' opacity='.6'>{date(year, month, 1):%b}</text>"


def _legend(y: int) -> Iterator[str]:
    x = _LEFT
    for (_, colour, opacity), word in zip(_LEVELS, _WORDS, strict=True):
        yield (
            f"<rect x='{x}' y='{y}' width='{_CELL}' height='{_CELL}' rx='2' fill='{colour}' "
            f"fill-opacity='{opacity}'/><text x='{x + 16}' y='{y + 9}'>{word}</text>"
        )
        x += 110
    yield (
        f"<rect x='{x}' y='{y}' width='{_CELL}' height='{_CELL}' rx='2' opacity='.08'/>"
        f"<text x='{x + 16}' y='{y + 9}'>outside the data or closed</text>"
    )
