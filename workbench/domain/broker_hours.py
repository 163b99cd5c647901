"""Hours that brokers publish, and those of the market at large.

Sources: OANDA "Hours of operation" (17:03 to 16:58 New York; metals from 18:03; NZD pairs pause at
06:58 Auckland, which is 12:58 New York in part of the year); FXCM and Interactive Brokers 17:00 to
17:00; Dukascopy's instrument record (25 December 03:00 to 17:00 and 31 December 17:00 to 1 January
17:00 New York). Around these two days brokers differ by a day and more, so quotes there may be
missing without anything being wrong.
"""

from collections.abc import Mapping
from datetime import time
from types import MappingProxyType

from workbench.domain.hours import Closure, Hours, Pause
from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError

__all__ = ["BROKERS", "hours_of"]

_QUIET_EVENING = Pause(start=time(16, 55), end=time(17, 15), is_closed=False)
_QUIET_HOLIDAYS = (
    Closure(first=(12, 24, time(13)), last=(12, 26, time(20)), is_closed=False),
    Closure(first=(12, 31, time(13)), last=(1, 2, time(20)), is_closed=False),
)
_CLOSED_HOLIDAYS = (
    Closure(first=(12, 25, time(3)), last=(12, 25, time(17))),
    Closure(first=(12, 31, time(17)), last=(1, 1, time(17))),
)
_METALS_BREAK = Pause(start=time(17), end=time(18))
_AUCKLAND = Pause(start=time(6, 58), end=time(7, 3), zone="Pacific/Auckland")
_QUIET_AUCKLAND = Pause(start=time(6, 55), end=time(7, 5), zone="Pacific/Auckland", is_closed=False)


def _week(name: str, *pauses: Pause, opens: time = time(17), closes: time = time(17)) -> Hours:
    return Hours(
        name=name,
        week_open=opens,
        week_close=closes,
        pauses=(*pauses, _QUIET_EVENING),
        closures=(*_CLOSED_HOLIDAYS, *_QUIET_HOLIDAYS),
    )


_OANDA_BREAK = Pause(start=time(16, 58), end=time(17, 3))
_OANDA_METALS_BREAK = Pause(start=time(16, 58), end=time(18, 3))

# broker -> hours of currency pairs, of pairs with the New Zealand dollar, of metals
BROKERS: Mapping[str, tuple[Hours, Hours, Hours]] = MappingProxyType(
    {
        "market": (
            _week("fx"),
            _week("fx with NZD", _QUIET_AUCKLAND),
            _week(
                "metals",
                _METALS_BREAK,
                Pause(start=time(18), end=time(18, 15), is_closed=False),
                opens=time(18),
            ),
        ),
        "oanda": (
            _week("oanda fx", _OANDA_BREAK, opens=time(17, 3), closes=time(16, 58)),
            _week("oanda fx with NZD", _OANDA_BREAK, _AUCKLAND, opens=time(17, 3), closes=time(16, 58)),
            _week("oanda metals", _OANDA_METALS_BREAK, opens=time(18, 3), closes=time(16, 58)),
        ),
        "fxcm": (_week("fxcm fx"), _week("fxcm fx"), _week("fxcm metals", _METALS_BREAK, opens=time(18))),
        "interactivebrokers": (
            _week("interactivebrokers fx"),
            _week("interactivebrokers fx"),
            _week("interactivebrokers metals", _METALS_BREAK, opens=time(18)),
        ),
    }
)

_METALS = frozenset({"XAU", "XAG", "XPT", "XPD"})


def hours_of(instrument: Instrument | None = None, *, broker: str = "market") -> Hours:
    """The hours of an instrument (None: a currency pair) at a broker; ``market``: at none in particular.

    Raises
    ------
    BadInputError
        No such broker.
    """
    if broker not in BROKERS:
        raise BadInputError(f"no hours of broker {broker!r}; known: {', '.join(BROKERS)}")
    pairs, with_nzd, metals = BROKERS[broker]
    if instrument is None:
        return pairs
    if instrument.hours is not None:
        return instrument.hours
    sides = {instrument.base, instrument.quote}
    if sides & _METALS:
        return metals
    return with_nzd if "NZD" in sides else pairs
