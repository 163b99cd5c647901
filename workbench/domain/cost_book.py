"""The dated cost book: the only place costs come from.

It prices backtest, replay, paper and the check of live statements alike.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from types import MappingProxyType
from typing import Any

from workbench.domain.cost_diff import CostChange, changes_between, changes_table
from workbench.domain.cost_tables import book_html, book_table
from workbench.domain.cost_terms import HOURS_OF_WEEK, FinancingMode, InstrumentCosts, swap_weekdays
from workbench.domain.cost_text import json_text
from workbench.domain.instruments import InstrumentId, instrument
from workbench.errors import BadInputError

__all__ = [
    "HOURS_OF_WEEK",
    "CostBook",
    "FinancingMode",
    "InstrumentCosts",
    "retail_book",
    "retail_costs",
    "swap_weekdays",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBook:
    """Costs of a broker as of a date; `version` is the hash of the content."""

    broker: str
    valid_from: date  # the FX day that begins at 17:00 New York of the day before
    costs: Mapping[InstrumentId, InstrumentCosts] = field(default_factory=dict)
    parent: str = ""  # version of the book this one was made from
    note: str = ""  # why it was made; like the parent no part of the version

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", MappingProxyType(dict(self.costs)))

    def __reduce__(self) -> tuple[Any, ...]:
        # a read-only mapping can not be pickled, and books travel to the processes of a sweep
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return _rebuilt, ({**values, "costs": dict(self.costs)},)

    def __str__(self) -> str:
        return "\n".join(book_table(self._head, self.costs))

    def _repr_html_(self) -> str:
        return book_html(self._head, self.costs)

    def of(self, name: str) -> InstrumentCosts:
        """The costs of one instrument.

        Raises
        ------
        BadInputError
            The book has no entry for it; no default is assumed.
        """
        found = self.costs.get(InstrumentId(name))
        if found is None:
            raise BadInputError(
                f"cost book {self.broker} of {self.valid_from} has no costs for {name}; "
                f"it knows {', '.join(sorted(self.costs)) or 'nothing'}: add an entry"
            )
        return found

    def with_costs(
        self, name: str, costs: InstrumentCosts | None = None, /, *, note: str = "", **changes: Any
    ) -> "CostBook":
        """A book in which one instrument costs something else; this one stays as it is.

        Parameters
        ----------
        name
            The instrument; a new one needs `costs`.
        costs
            All its costs; without, those of this book.
        note
            Why; by default what was changed.
        changes
            Fields of `InstrumentCosts`, as in ``commission_ppm=30``.

        Raises
        ------
        BadInputError
            An unknown instrument or field, or a cost that is impossible.
        """
        known = {item.name for item in fields(InstrumentCosts)}
        if unknown := sorted(set(changes) - known):
            raise BadInputError(f"unknown cost {', '.join(unknown)}; costs are {', '.join(sorted(known))}")
        item = replace(self.of(name) if costs is None else costs, **changes)
        return self.replace(costs={**self.costs, InstrumentId(name): item}, note=note)

    def without(self, name: str, *, note: str = "") -> "CostBook":
        """A book without an instrument."""
        self.of(name)
        kept = {key: item for key, item in self.costs.items() if key != name}
        return self.replace(costs=kept, note=note)

    def replace(
        self,
        *,
        broker: str | None = None,
        valid_from: date | None = None,
        costs: Mapping[InstrumentId, InstrumentCosts] | None = None,
        note: str = "",
    ) -> "CostBook":
        """A book with other contents, which names this one as its parent.

        The note is what was changed unless another is given.
        """
        book = CostBook(
            broker=self.broker if broker is None else broker,
            valid_from=self.valid_from if valid_from is None else valid_from,
            costs=self.costs if costs is None else costs,
            parent=self.version,
        )
        said = note or "; ".join(str(item) for item in self.diff(book))
        return replace(book, note=said)

    def diff(self, other: "CostBook") -> list[CostChange]:
        """What is different in `other`, in order of instrument and field."""
        return changes_between(self, other)

    def diff_text(self, other: "CostBook") -> str:
        """The same as a table; one line saying so when nothing is."""
        return "\n".join(changes_table(self.diff(other)))

    def to_json(self) -> dict[str, Any]:
        """A plain value that `from_json` reads back."""
        history = {name: getattr(self, name) for name in ("parent", "note") if getattr(self, name)}
        return {**self._content(), **history}

    def to_text(self) -> str:
        """The JSON of a file that a person edits: spreads with one line a day, from 17:00 New York on."""
        return json_text(self.to_json())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CostBook":
        """The book that `to_json`, or a person, wrote.

        Raises
        ------
        BadInputError
            A field is missing, unknown or of another kind; the message names the instrument.
        """
        try:
            unknown = sorted(set(value) - {item.name for item in fields(cls)})
            if unknown:
                raise ValueError(f"unknown field {', '.join(unknown)}")
            costs = {name: _costs_from(name, item) for name, item in value["costs"].items()}
            return cls(
                broker=value["broker"],
                valid_from=date.fromisoformat(value["valid_from"]),
                costs=costs,
                parent=value.get("parent", ""),
                note=value.get("note", ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInputError(
                f"expected a cost book with broker, valid_from and costs by instrument, found another shape: "
                f"{type(error).__name__}: {error}"
            ) from None

    @property
    def version(self) -> str:
        """SHA-256 of the canonical content, hexadecimal."""
        text = json.dumps(self._content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def _head(self) -> str:
        made = f", from {self.parent[:12]}" if self.parent else ""
        return f"costs of {self.broker} from {self.valid_from}, version {self.version[:12]}{made}"

    def _content(self) -> dict[str, Any]:
        return {
            "broker": self.broker,
            "valid_from": self.valid_from.isoformat(),
            "costs": {name: item.to_json() for name, item in sorted(self.costs.items())},
        }


def _costs_from(name: str, value: Any) -> InstrumentCosts:
    if not isinstance(value, Mapping):
        raise BadInputError(
            f"expected a cost book with costs by instrument; costs of {name}: found {value!r:.40}"
        )
    try:
        return InstrumentCosts.from_json(value)
    except BadInputError as error:
        raise BadInputError(f"expected a cost book; costs of {name}: {error}") from None


def _rebuilt(values: dict[str, Any]) -> CostBook:
    return CostBook(**values)


def retail_costs(name: str) -> InstrumentCosts:
    """Plausible retail costs of an instrument, to start from; replace them by your broker's.

    The hourly pattern is that of OANDA's EUR/USD quotes of 2018 in New York hours: 1.3 pips in
    London and New York, 1.5 in Asia, 4.9 in the hour before 17:00 and 2.9 in the hour after, scaled by
    instrument in its own pips. Commission 20 ppm a side (0.2 basis points), financing -2.5 % long and
    -0.5 % short a year.
    """
    record = instrument(name)
    pip = record.points_per_pip
    factor = 1 if name == "EUR_USD" else 2 if record.base not in ("XAU", "XAG") else 20

    def spread(hour: int) -> int:
        new_york_hour = (hour + 17) % 24
        tenths = {16: 49, 17: 29}.get(new_york_hour, 13 if 3 <= new_york_hour < 16 else 15)
        return tenths * pip * factor // 10

    return InstrumentCosts(
        spread_points=tuple(spread(hour) for hour in range(HOURS_OF_WEEK)),
        commission_ppm=20,
        financing_long_ppm=-25_000,
        financing_short_ppm=-5_000,
        margin_rate_ppm=record.margin_rate_ppm,
    )


def retail_book(*names: str) -> CostBook:
    """A book of `retail_costs` for some instruments, dated by the quotes they were measured on."""
    return CostBook(
        broker="retail",
        valid_from=date(2018, 1, 1),
        costs={instrument(name).id: retail_costs(name) for name in names},
    )
