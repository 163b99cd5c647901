"""Spreads by hour of week, measured on recorded quotes: what a cost book is filled with."""

from collections.abc import Iterable, Iterator

import numpy as np

from workbench.domain.cost_book import HOURS_OF_WEEK
from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.market.bars import BOTH_SIDES, Bars, Ints
from workbench.market.costs.spread_table import QUANTILES, WIDEST, SpreadTable, hours_text
from workbench.market.new_york import hours_of_week
from workbench.market.ticks import Ticks

__all__ = ["SpreadTable", "ThinQuotesError", "estimate_spreads"]

OPEN_HOURS = 120  # Sunday 17:00 to Friday 17:00 New York
_DAY = 24
_LONGEST_MS = 60_000  # a quote speaks for no more than a minute, so that a closed market does not count


class ThinQuotesError(BadInputError):
    """There are too few quotes in some hours to say how wide the spread is."""

    def __init__(self, message: str, *, hours: tuple[int, ...]) -> None:
        super().__init__(message)
        self.hours = hours


def estimate_spreads(
    quotes: Ticks | Bars | Iterable[Ticks],
    *,
    statistic: str = "mean",
    weight: str = "quotes",
    minimum: int = 30,
    fill: str = "refuse",
) -> SpreadTable:
    """The spread of each hour of the week, from recorded bid and ask.

    Parameters
    ----------
    quotes
        Ticks, batches of them in time order (memory stays bounded), or bars of up to an hour with both sides,
        of which the open and the close are read.
    statistic
        ``"mean"``, ``"median"`` or a quantile as in ``"q90"``; whole points, the mean rounded half up.
    weight
        ``"quotes"``: each counts once. ``"time"``: each counts as long as it stood, a minute at most; ticks
        only.
    minimum
        Quotes an hour of the open week needs.
    fill
        What an hour with fewer gets. ``"refuse"``: an error that names the hours. ``"same hour"``: the
        quotes of the same hour on all days together, if these are enough. Closed hours (Friday 17:00 to
        Sunday 17:00) get the spread of the last open hour, a line in `SpreadTable.filled` like any other.

    Raises
    ------
    ThinQuotesError
        Too few quotes in an hour, and no way to fill it.
    BadInputError
        No quotes, quotes of several instruments, one-sided or too long bars.
    """
    if fill not in ("refuse", "same hour"):
        raise BadInputError(f"fill: expected refuse or same hour, found {fill!r}")
    if weight not in ("quotes", "time") or (weight == "time" and isinstance(quotes, Bars)):
        raise BadInputError(f"weight: expected quotes, or for ticks time, found {weight!r}")
    share = _share(statistic)
    counted = _Counted(by_time=weight == "time")
    for batch in _batches(quotes):
        counted.add(batch)
    if counted.instrument is None:
        raise BadInputError("expected quotes to measure the spread of, found none")
    counted.finish()
    return _table(counted, statistic=statistic, share=share, weight=weight, minimum=minimum, fill=fill)


class _Counted:
    """How many quotes of each spread there were in each hour: all that has to be remembered."""

    def __init__(self, *, by_time: bool) -> None:
        self.by_time = by_time
        self.instrument: Instrument | None = None
        self.counts = np.zeros(HOURS_OF_WEEK, np.int64)
        self.weights = np.zeros((HOURS_OF_WEEK, 64), np.int64)
        self.crossed = self.too_wide = 0
        self.first_ns = self.last_ns = 0
        self._held: Ticks | None = None

    def add(self, batch: Ticks) -> None:
        if not len(batch):
            return
        if self.instrument is None:
            self.instrument, self.first_ns = batch.instrument, int(batch.time_ns[0])
        elif batch.instrument.id != self.instrument.id:
            raise BadInputError(
                f"expected quotes of one instrument, found {self.instrument.id} and {batch.instrument.id}"
            )
        self.last_ns = int(batch.time_ns[-1])
        if not self.by_time:
            self._count(batch, np.ones(len(batch), np.int64))
            return
        if self._held is not None:
            self._count(self._held, _stood(np.append(self._held.time_ns, batch.time_ns[0])))
        self._count(batch.at(0, len(batch) - 1), _stood(batch.time_ns))
        self._held = batch.at(len(batch) - 1, len(batch))

    def finish(self) -> None:
        if self._held is not None:
            self._count(self._held, np.ones(1, np.int64))

    def _count(self, batch: Ticks, weights: Ints) -> None:
        spread = batch.ask - batch.bid
        self.crossed += int((spread < 0).sum())
        self.too_wide += int((spread > WIDEST).sum())
        good = (spread >= 0) & (spread <= WIDEST)
        hour, spread = hours_of_week(batch.time_ns)[good], spread[good]
        if not len(spread):
            return
        self.counts += np.bincount(hour, minlength=HOURS_OF_WEEK)
        width = max(self.weights.shape[1], int(spread.max()) + 1)
        added = np.bincount(hour * width + spread, weights=weights[good], minlength=HOURS_OF_WEEK * width)
        self.weights = np.pad(self.weights, ((0, 0), (0, width - self.weights.shape[1])))
        self.weights += np.rint(added).astype(np.int64).reshape(HOURS_OF_WEEK, width)


def _stood(time_ns: Ints) -> Ints:
    """How long each quote but the last stood, in milliseconds; one at least."""
    found: Ints = np.clip(np.diff(time_ns) // 1_000_000, 1, _LONGEST_MS)
    return found


def _batches(quotes: Ticks | Bars | Iterable[Ticks]) -> Iterator[Ticks]:
    if isinstance(quotes, Ticks):
        yield quotes
    elif isinstance(quotes, Bars):
        if quotes.sides != BOTH_SIDES:
            raise BadInputError(
                f"{quotes.instrument.id}: expected bars with quoted bid and ask, found {quotes.sides}; "
                "a modelled spread can not be measured"
            )
        if quotes.timeframe.is_by_session or quotes.timeframe.seconds > 3600:
            raise BadInputError(
                f"{quotes.instrument.id}: expected bars of an hour or less, found {quotes.timeframe}; "
                "use shorter bars or ticks"
            )
        none = np.zeros(2 * len(quotes), np.int64)
        yield Ticks(
            instrument=quotes.instrument,
            time_ns=np.repeat(quotes.open_ns, 2),  # the close is still in the hour the bar opened in
            bid=np.column_stack([quotes.bid_open, quotes.bid_close]).ravel(),
            ask=np.column_stack([quotes.ask_open, quotes.ask_close]).ravel(),
            bid_size=none,
            ask_size=none,
        )
    else:
        yield from quotes


def _table(
    counted: _Counted, *, statistic: str, share: float | None, weight: str, minimum: int, fill: str
) -> SpreadTable:
    weights, counts = counted.weights, counted.counts
    hours = range(HOURS_OF_WEEK)
    points = [_measure(weights[hour], share) for hour in hours]
    filled = []
    thin = [hour for hour in hours if counts[hour] < minimum and hour < OPEN_HOURS]
    for hour in thin:
        alike = slice(hour % _DAY, OPEN_HOURS, _DAY)
        if fill == "same hour" and counts[alike].sum() >= minimum:
            points[hour] = _measure(weights[alike].sum(axis=0), share)
            filled.append((hour, "from the same hour of all days"))
    if left := tuple(hour for hour in thin if hour not in dict(filled)):
        assert counted.instrument is not None
        raise ThinQuotesError(
            f"{counted.instrument.id}: expected {minimum} quotes or more in each hour of the open week, "
            f"found fewer in {len(left)} of {OPEN_HOURS}: {hours_text(list(left))}; "
            "give more quotes, a lower minimum" + ("" if fill == "same hour" else ', or fill="same hour"'),
            hours=left,
        )
    for hour in range(OPEN_HOURS, HOURS_OF_WEEK):
        if counts[hour] < minimum:
            points[hour] = points[OPEN_HOURS - 1]
            filled.append((hour, "closed: as the last hour of the week"))
    total = weights.sum(axis=1)
    at = np.arange(weights.shape[1])
    with np.errstate(invalid="ignore"):
        means = (weights @ at) / total
    quantiles = np.array([[_quantile(row, item) for item in QUANTILES] for row in weights], np.float64)
    assert counted.instrument is not None
    return SpreadTable(
        instrument=counted.instrument,
        statistic=statistic,
        weight=weight,
        points=tuple(points),
        counts=counts,
        means=means,
        quantiles=quantiles,
        filled=tuple(filled),
        crossed=counted.crossed,
        too_wide=counted.too_wide,
        first_ns=counted.first_ns,
        last_ns=counted.last_ns,
    )


def _share(statistic: str) -> float | None:
    """The quantile a statistic names; None for the mean."""
    if statistic == "mean":
        return None
    if statistic == "median":
        return 0.5
    number = statistic.removeprefix("q")
    if statistic.startswith("q") and number.isdigit() and 0 < int(number) < 100:
        return int(number) / 100
    raise BadInputError(f"statistic: expected mean, median or a quantile as in q90, found {statistic!r}")


def _measure(weights: Ints, share: float | None) -> int:
    total = int(weights.sum())
    if not total:
        return 0
    if share is not None:
        return int(_quantile(weights, share))
    twice = 2 * int(weights @ np.arange(len(weights)))
    return (twice + total) // (2 * total)


def _quantile(weights: Ints, share: float) -> float:
    """The lowest spread that at least this share of the weight does not exceed; nan without any."""
    reached = np.cumsum(weights)
    if not reached[-1]:
        return float("nan")
    return float(np.searchsorted(reached, share * reached[-1] - 1e-9, side="left"))
