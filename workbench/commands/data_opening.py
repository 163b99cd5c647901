"""What the `workbench data` commands share: the store they open, the times they are given."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workbench.errors import BadInputError
from workbench.settings import Settings

if TYPE_CHECKING:
    from workbench.market import MarketStore

__all__ = ["market_store", "moment"]


def market_store(settings: Settings) -> "MarketStore":
    """The market store of a home; the market room is loaded when it is asked for."""
    from workbench.market import MarketStore

    return MarketStore(settings.market_root, settings.store_url)


def moment(text: str | None) -> datetime | None:
    """A time given on the command line: ISO 8601, UTC when it does not say.

    Raises
    ------
    BadInputError
        It is no time.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(
            f"expected a time as 2024-01-31 or 2024-01-31T17:00:00Z, found {text!r}"
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
