"""What the lines of a text layout are made of: fields, and the steps by which a time is read.

These are plain values; `workbench.market.formats.byte_parser` runs them. The codes are kept equal to
the parser's by a test, so that recognising a file need not load the compiler.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from workbench.errors import BadInputError

__all__ = [
    "COMPACT",
    "COMPACT_MINUTES",
    "COMPACT_MS",
    "DOTTED",
    "DOTTED_CLOCK",
    "DOTTED_DATE",
    "EPOCH_DECIMALS",
    "ISO",
    "SLASHED",
    "TRUEFX",
    "Field",
    "Layout",
    "time_steps",
]

Steps = tuple[tuple[int, int], ...]

SKIP, NUMBER, TIME, NUMBER_OR_SAME = range(4)
_LITERAL, _YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND, _CLOCK_SECONDS, _FRACTION = range(9)
_MAY_END, _SPACE_OR_T, _MAY_ZONE, _MAY_GMT, _MONTH_NAME, _HALF_DAY, _MAY_FRACTION, _YEAR_OF_CENTURY = range(
    9, 17
)


def _literal(text: str) -> Steps:
    return tuple((_LITERAL, byte) for byte in text.encode())


_DASH, _DOT, _COLON, _SPACE, _SLASH = (_literal(item) for item in "-.: /")
_Y, _M, _D, _H, _MIN, _S = (_YEAR, 4), (_MONTH, 2), (_DAY, 2), (_HOUR, 2), (_MINUTE, 2), (_SECOND, 2)
_CLOCK: Steps = (_H, *_COLON, _MIN, (_CLOCK_SECONDS, 0))

ISO: Steps = (_Y, *_DASH, _M, *_DASH, _D, (_MAY_END, 0), (_SPACE_OR_T, 0), *_CLOCK, (_MAY_ZONE, 0))
DOTTED: Steps = (_D, *_DOT, _M, *_DOT, _Y, *_SPACE, *_CLOCK, (_MAY_GMT, 0))  # 31.12.2017 23:59:00.000
COMPACT: Steps = (_Y, _M, _D, *_SPACE, _H, _MIN, _S)  # 20170301 235900
COMPACT_MS: Steps = (*COMPACT, (_FRACTION, 3))  # 20200101 170000065
COMPACT_MINUTES: Steps = (_Y, _M, _D, *_SPACE, _H, *_COLON, _MIN)  # 20070101 21:00
TRUEFX: Steps = (_Y, _M, _D, *_SPACE, *_CLOCK)  # 20090501 00:00:00.312
SLASHED: Steps = (_M, *_SLASH, _D, *_SLASH, _Y, *_SPACE, *_CLOCK)  # 12/31/2017 23:59:00.000, FXCM's
DOTTED_DATE: Steps = (_Y, *_DOT, _M, *_DOT, _D)  # 2017.12.31
DOTTED_CLOCK: Steps = _CLOCK
EPOCH_DECIMALS = {"s": 9, "ms": 6, "us": 3, "ns": 0}  # of a number of these, in nanoseconds

_DIRECTIVES: dict[str, Steps] = {
    "Y": (_Y,),
    "y": ((_YEAR_OF_CENTURY, 2),),
    "m": ((_MONTH, 1),),
    "d": ((_DAY, 1),),
    "H": ((_HOUR, 1),),
    "I": ((_HOUR, 1),),
    "M": ((_MINUTE, 1),),
    "S": ((_SECOND, 1),),
    "f": ((_FRACTION, 0),),
    "b": ((_MONTH_NAME, 0),),
    "p": ((_HALF_DAY, 0),),
    "z": ((_MAY_ZONE, 0),),
    "T": (_H, *_COLON, _MIN, *_COLON, _S),
    "F": (_Y, *_DASH, _M, *_DASH, _D),
    "%": _literal("%"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a line."""

    kind: int = SKIP
    target: str = ""  # the column it fills
    decimals: int | None = None  # of a number; None takes the instrument's digits
    steps: Steps = ()

    @classmethod
    def skip(cls) -> "Field":
        """A field that is not used."""
        return cls()

    @classmethod
    def time(cls, steps: Steps) -> "Field":
        """A time, or a part of it: the parts of a line are added."""
        return cls(kind=TIME, target="time", steps=steps)

    @classmethod
    def word(cls, text: str) -> "Field":
        """The same word in every line."""
        return cls(kind=TIME, target="word", steps=_literal(text))

    @classmethod
    def epoch(cls, unit: str) -> "Field":
        """A number of seconds (``s``), ``ms``, ``us`` or ``ns``, with or without decimals."""
        return cls(kind=NUMBER, target="time", decimals=EPOCH_DECIMALS[unit])

    @classmethod
    def price(cls, target: str) -> "Field":
        """A price, to whole points."""
        return cls(kind=NUMBER, target=target)

    @classmethod
    def price_or_same(cls, target: str) -> "Field":
        """A price, or nothing where it is that of the line before."""
        return cls(kind=NUMBER_OR_SAME, target=target)

    @classmethod
    def size(cls, target: str) -> "Field":
        """Whole units."""
        return cls(kind=NUMBER, target=target, decimals=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A text layout as one file has it."""

    format: str
    kind: str  # "ticks" or "bars"
    separator: str
    fields: tuple[Field, ...]
    why: str  # what it was recognised by
    header: bool = False
    side: str | None = "bid+ask"  # None: not told
    zone: str | None = None  # the clock the format is written by; None: not told
    zone_why: str = ""
    zone_is_sure: bool = True  # False: usual for the format, to be held against the evidence
    base_ns: Callable[[str], int] | None = None  # of a file's names: added to its times
    span_ns: int = 0  # its times lie within so much of that; 0: anywhere
    symbol: str = ""  # letters of the instrument, where the lines or the name tell it

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns other than the time."""
        names = (
            item.target for item in self.fields if item.kind != SKIP and item.target not in ("time", "word")
        )
        return tuple(dict.fromkeys(names))

    def with_side(self, side: str | None) -> "Layout":
        """The same layout with its side told."""
        return replace(self, side=side)


def time_steps(pattern: str) -> Steps:
    """The steps of a ``strptime`` format.

    Raises
    ------
    BadInputError
        A directive that is not read here, or no date in it.
    """
    steps: list[tuple[int, int]] = []
    index = 0
    while index < len(pattern):
        if pattern[index] != "%":
            steps += _literal(pattern[index])
            index += 1
            continue
        name = pattern[index + 1 : index + 2]
        if name not in _DIRECTIVES:
            raise BadInputError(
                f"time format {pattern!r}: %{name} is not read; expected s, ms, us or ns for times since "
                "1970, "
                f"or a format of {' '.join('%' + item for item in _DIRECTIVES)}"
            )
        steps += _DIRECTIVES[name]
        index += 2
    if not any(step[0] in (_YEAR, _YEAR_OF_CENTURY, _HOUR) for step in steps):
        raise BadInputError(
            f"time format {pattern!r}: expected a date or a time of day in it, as in %Y-%m-%d"
        )
    return tuple(steps)
