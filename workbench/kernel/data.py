"""Market data and costs, as a notebook asks for them."""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import CostHistory, Costs
from workbench.errors import BadInputError
from workbench.kernel.session import Mode, current_session

if TYPE_CHECKING:
    from workbench.market import Bars

__all__ = ["cost_book", "load_bars", "moment", "to_balance"]

_PINS = "WORKBENCH_DATA"  # JSON: fingerprint by "EUR_USD H1"; set by promotion, ignored in research
_UNTIL = "WORKBENCH_DATA_UNTIL"  # nanoseconds UTC: rehearsals and leak checks take away later bars


def load_bars(
    name: str,
    timeframe: str = "H1",
    *,
    fingerprint: str | None = None,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
) -> "Bars":
    """Bars from the market store that open in `[start, end)`.

    The newest dataset is taken unless `fingerprint` names one; promotion pins the one that was used.

    Parameters
    ----------
    start, end
        Aware datetimes, or text such as ``"2017-03-01"``, taken as UTC.

    Raises
    ------
    MissingDataError
        Nothing was imported for this, or no bar is in the span.
    """
    from workbench.market import MarketStore

    session = current_session()
    key = f"{name} {timeframe}"
    store = MarketStore(session.settings.market_root, session.engine)
    bars = store.bars(
        name,
        timeframe,
        fingerprint=fingerprint or _pins().get(key),
        start=moment(start),
        end=moment(end),
    )
    bars = _known_by(bars)
    session.used(key=key, fingerprint=bars.fingerprint)
    if session.logs and session.has_run:
        from workbench.tracking import add_data

        add_data(session.run_id(), bars.fingerprint)
    return bars


def cost_book(*names: str, file: str | Path | None = None) -> Costs:
    """The cost book (or dated books) of a file, or plausible retail costs of some instruments to start from.

    Parameters
    ----------
    names
        Instruments, as in ``"EUR_USD"``; needed when no file is given.
    file
        JSON as `CostBook.to_json` or `CostHistory.to_json` writes it; a name without folder is looked
        up in the home's `cost_books`.

    Raises
    ------
    BadInputError
        No instrument and no file, a file that can not be read, or one without an instrument asked for.
    """
    if file is not None:
        costs = _read_costs(Path(file))
        for book in costs if isinstance(costs, CostHistory) else [costs]:
            for name in names:
                book.of(name)
        return costs
    if not names:
        raise BadInputError(
            'expected instruments, as in cost_book("EUR_USD"), or a file, as in '
            'cost_book(file="my_broker.json"); found neither'
        )
    return retail_book(*names)


def moment(value: str | datetime | None) -> datetime | None:
    """An instant from text or a datetime; text without an offset is UTC.

    Raises
    ------
    BadInputError
        Text that is no date, or a datetime without a zone.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise BadInputError(f"expected a date such as 2017-03-01, found {value!r}") from None
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if value.tzinfo is None:
        raise BadInputError(f"expected a datetime with a zone, found {value!r}; add tzinfo=UTC")
    return value


def to_balance(value: Decimal | int | str) -> Decimal:
    """Money as an exact amount; a float is refused, since it rarely is one."""
    if isinstance(value, float):
        raise BadInputError(
            f'expected money as a whole number, text or Decimal, found {value!r}; write "{value}"'
        )
    return Decimal(value)


def _pins() -> dict[str, str]:
    text = os.environ.get(_PINS, "")
    if not text or current_session().mode is Mode.RESEARCH:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"expected {_PINS} to be JSON, found {text[:60]!r}") from error
    return {str(key): str(fingerprint) for key, fingerprint in value.items()}


def _known_by(bars: "Bars") -> "Bars":
    """The bars that had closed by the moment a rehearsal pretends to be at; all of them otherwise."""
    text = os.environ.get(_UNTIL, "")
    if not text or current_session().mode not in (Mode.DRY, Mode.REPRODUCE):
        return bars
    count = int(bars.close_ns.searchsorted(int(text), side="right"))
    if not count:
        from workbench.market.errors import MissingDataError

        raise MissingDataError(f"{bars.instrument.id}: no bar had closed by the moment of this rehearsal")
    return bars.at(0, count)


def _read_costs(path: Path) -> Costs:
    if not path.exists() and path.parent == Path():
        path = current_session().settings.home / "cost_books" / path.name
    from workbench.market.costs.files import read_costs

    return read_costs(path)


def start_ns(value: str | datetime | None) -> int | None:
    """The instant as nanoseconds UTC."""
    found = moment(value)
    return None if found is None else to_ns(found)
