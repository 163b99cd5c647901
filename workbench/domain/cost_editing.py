"""A cost book with other costs of an instrument: what the command and the form do."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.cost_history import CostHistory, Costs
from workbench.domain.cost_terms import InstrumentCosts
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError

__all__ = ["edited_book", "with_dated"]


def edited_book(
    old: CostBook,
    name: str,
    values: Mapping[str, Any],
    *,
    add: bool = False,
    remove: bool = False,
    valid_from: date | None = None,
    note: str = "",
) -> CostBook:
    """A book in which an instrument costs something else; the old one stays and is its parent.

    Parameters
    ----------
    values
        Fields of `InstrumentCosts` as a person writes them, see `InstrumentCosts.from_json`.
    add
        Whether the instrument is new; its other costs are retail ones.
    remove
        Whether it is taken out.
    valid_from
        By default the date of the old book.
    note
        Why; by default what was changed.

    Raises
    ------
    BadInputError
        Nothing to change, an unknown instrument or field, or a cost that is impossible.
    """
    if not (values or add or remove or valid_from):
        known = ", ".join(item.name for item in fields(InstrumentCosts))
        raise BadInputError(f"nothing to change: give COST=VALUE, --add or --remove; costs are {known}")
    if remove:
        new = old.without(name, note=note)
    else:
        start = retail_costs(name) if add else old.of(name)
        item = InstrumentCosts.from_json({**start.to_json(), **values})
        new = old.with_costs(instrument(name).id, item, note=note)
    return new if valid_from is None else old.replace(costs=new.costs, valid_from=valid_from, note=note)


def with_dated(found: Costs, new: CostBook) -> CostHistory:
    """The dated books with one more.

    Raises
    ------
    BadInputError
        There is a book of that date: what was in force is not written over.
    """
    books = list(found) if isinstance(found, CostHistory) else [found]
    if any(item.valid_from == new.valid_from for item in books):
        raise BadInputError(
            f"expected another date than those of the books there are "
            f"({', '.join(str(item.valid_from) for item in books)}), found {new.valid_from}; "
            "give the day from which the new costs hold"
        )
    return CostHistory([*books, new])
