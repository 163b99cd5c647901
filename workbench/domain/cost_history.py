"""The cost books of one broker in the order in which they came into force."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, overload

from workbench.domain.calendar import day_open_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.cost_text import json_text
from workbench.errors import BadInputError

__all__ = ["CostHistory", "Costs", "costs_from_json"]


class CostHistory(Sequence[CostBook]):
    """Cost books, each valid from its date until the next one's.

    A book comes into force at 17:00 New York of the day before its `valid_from`, when that FX day begins.

    Raises
    ------
    BadInputError
        No book, books of several brokers, or two of one date.
    """

    def __init__(self, books: Sequence[CostBook]) -> None:
        if not books:
            raise BadInputError("expected one or more cost books, found none")
        if len(brokers := {item.broker for item in books}) > 1:
            raise BadInputError(
                f"expected the books of one broker, found {', '.join(sorted(brokers))}; "
                "make a history for each"
            )
        self._books = tuple(sorted(books, key=lambda item: item.valid_from))
        dates = [item.valid_from for item in self._books]
        for earlier, later in pairwise(dates):
            if earlier == later:
                raise BadInputError(f"two cost books are valid from {later}; give each its own date")
        self._dates = dates

    def __len__(self) -> int:
        return len(self._books)

    @overload
    def __getitem__(self, index: int) -> CostBook: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CostBook]: ...
    def __getitem__(self, index: int | slice) -> CostBook | Sequence[CostBook]:
        return self._books[index]

    def __iter__(self) -> Iterator[CostBook]:
        return iter(self._books)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CostHistory) and self._books == other._books

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"<cost history of {self.broker}: {', '.join(str(item) for item in self._dates)}>"

    def _repr_html_(self) -> str:
        return "".join(item._repr_html_() for item in self._books)

    @property
    def broker(self) -> str:
        """Whose costs they are."""
        return self._books[0].broker

    @property
    def starts_ns(self) -> tuple[int, ...]:
        """When each book comes into force."""
        return tuple(day_open_ns(item.valid_from) for item in self._books)

    @property
    def version(self) -> str:
        """SHA-256 of the versions of the books, hexadecimal; of a single book its own."""
        if len(self) == 1:
            return self._books[0].version
        return hashlib.sha256("|".join(item.version for item in self._books).encode()).hexdigest()

    def at(self, session: date) -> CostBook:
        """The book in force in an FX day.

        Raises
        ------
        BadInputError
            The day is before the first book; costs of the past are not assumed.
        """
        index = bisect_right(self._dates, session) - 1
        if index < 0:
            raise BadInputError(
                f"costs of {self.broker}: expected a day from {self._dates[0]} on, found {session}; "
                "add a book that is valid then"
            )
        return self._books[index]

    def with_book(self, book: CostBook) -> "CostHistory":
        """A history with one more book, or with another one in place of that of the same date."""
        return CostHistory([*(item for item in self._books if item.valid_from != book.valid_from), book])

    def to_json(self) -> dict[str, Any]:
        """A plain value that `costs_from_json` reads back."""
        return {"broker": self.broker, "books": [item.to_json() for item in self._books]}

    def to_text(self) -> str:
        """The JSON of a file that a person edits."""
        return json_text(self.to_json())


Costs = CostBook | CostHistory  # costs that always hold, or dated ones


def costs_from_json(value: Any) -> Costs:
    """A book or a history, whichever a file holds.

    Raises
    ------
    BadInputError
        It is neither.
    """
    if isinstance(value, Mapping) and "books" in value:
        if not isinstance(value["books"], list):
            raise BadInputError(
                f"books: expected a list of cost books, found {type(value['books']).__name__}"
            )
        return CostHistory([CostBook.from_json(item) for item in value["books"]])
    return CostBook.from_json(value)
