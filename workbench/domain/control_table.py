"""The table of limits: append-only versions by scope, what is in force, what waits for a second person."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.domain.controls import LIMITS, Value, is_raise, parse_value
from workbench.domain.people import same_person
from workbench.errors import BadInputError

__all__ = ["FIRM", "Entry", "Layer", "LimitTable", "first_entries", "parse_scope"]

FIRM = "firm"
_SCOPE = re.compile(
    r"firm|(?:account|deployment):[A-Za-z0-9][A-Za-z0-9._-]{0,99}|instrument:[A-Za-z0-9_.]{1,32}"
)


def parse_scope(text: str) -> str:
    """A scope as it was given.

    Raises
    ------
    BadInputError
        It is not ``firm``, ``account:ID``, ``deployment:ID`` or ``instrument:NAME``.
    """
    if not _SCOPE.fullmatch(text):
        raise BadInputError(
            "expected a scope like firm, account:ID, deployment:ID or instrument:EUR_USD, "
            f"found {text[:100]!r}"
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One version of the table: what somebody said of one limit in one scope."""

    version: int  # from 1, gap-free
    name: str
    scope: str
    value: Any  # as stored: read by `parse_value`
    action: str  # set | proposed | approved | withdrawn
    proposal: int = 0  # the version that is approved or withdrawn
    by: str
    approved_by: str = ""
    reason: str = ""
    created_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The limits of one scope that bear on an order. In the firm's, one that is not there passes nothing."""

    scope: str
    values: Mapping[str, Value] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


class LimitTable:
    """What the entries come to; a value, made anew when there is a new entry.

    Parameters
    ----------
    entries
        In the order of their versions.
    damaged
        Versions that are not what was written down: their limit in their scope can not be read.
    """

    def __init__(self, entries: Iterable[Entry] = (), *, damaged: frozenset[int] = frozenset()) -> None:
        self.entries = tuple(entries)
        self.damaged = damaged
        self._values: dict[str, dict[str, Value]] = {FIRM: {}}
        self._unreadable: set[tuple[str, str]] = set()
        self._in_force: dict[tuple[str, str], Entry] = {}
        self._waiting: dict[int, Entry] = {}
        self._layers: dict[str, Layer] = {}
        for entry in self.entries:
            self._take(entry)
        if [entry.version for entry in self.entries] != list(range(1, len(self.entries) + 1)):
            # a version is missing: what it said is not known, so nothing is
            self._unreadable |= {(FIRM, name) for name in LIMITS}

    @property
    def version(self) -> int:
        """The last version."""
        return len(self.entries)

    @property
    def waiting(self) -> tuple[Entry, ...]:
        """Proposals that wait for a second person, the oldest first."""
        return tuple(self._waiting.values())

    def in_force(self) -> tuple[Entry, ...]:
        """The entry behind each limit that is set, by scope and in the controls' order."""
        rank = {name: place for place, name in enumerate(LIMITS)}
        found = self._in_force.values()
        return tuple(
            sorted(found, key=lambda item: (item.scope != FIRM, item.scope, rank.get(item.name, -1)))
        )

    def layers(self, *, account: str, deployment: str, instrument: str) -> tuple[Layer, ...]:
        """The layers over an order, the firm's first; each is a bound of its own."""
        scopes = (FIRM, f"account:{account}", f"deployment:{deployment}", f"instrument:{instrument}")
        found = (self._layer(scope) for scope in scopes)
        return tuple(item for item in found if item.scope == FIRM or item.values or item.unreadable)

    def raises(self, scope: str, name: str, value: Value) -> bool:
        """Whether setting this lets anything pass that is stopped now."""
        if (scope, name) in self._unreadable:
            return True
        values = self._values.get(scope, {})
        if name not in values:
            return scope == FIRM  # elsewhere a further bound only takes away
        return is_raise(name, before=values[name], after=value)

    def check_approval(self, version: int, *, by: str) -> Entry:
        """The proposal that `by` may approve.

        Raises
        ------
        BadInputError
            It does not wait, is their own, or was overtaken by a later change.
        """
        entry = self.waiting_entry(version)
        if version in self.damaged:
            raise BadInputError(
                f"change {version} is not what was written down; withdraw it and propose it again"
            )
        if same_person(entry.by, by):
            raise BadInputError(
                f"change {version} was proposed by {entry.by}; another person has to approve it"
            )
        now = self._in_force.get((entry.scope, entry.name))
        if now is not None and now.version > version:
            raise BadInputError(
                f"{entry.name} of {entry.scope} was changed by {now.by} since change {version} was proposed; "
                "propose it again"
            )
        return entry

    def waiting_entry(self, version: int) -> Entry:
        """A proposal that waits.

        Raises
        ------
        BadInputError
            None of that number does.
        """
        entry = self._waiting.get(version)
        if entry is None:
            known = ", ".join(map(str, self._waiting)) or "none"
            raise BadInputError(f"expected the number of a change that waits ({known}), found {version}")
        return entry

    def _take(self, entry: Entry) -> None:
        match entry.action:
            case "proposed":
                self._waiting[entry.version] = entry
            case "withdrawn":
                self._waiting.pop(entry.proposal, None)
            case "set" | "approved":
                self._waiting.pop(entry.proposal, None)
                self._put(entry)
            case _:
                self._unreadable.add((entry.scope, entry.name))
        if entry.version in self.damaged:
            self._unreadable.add((entry.scope, entry.name))

    def _put(self, entry: Entry) -> None:
        key = (entry.scope, entry.name)
        self._in_force[key] = entry
        try:
            value = parse_value(entry.name, entry.value)
        except BadInputError:
            self._unreadable.add(key)
            self._values.setdefault(entry.scope, {}).pop(entry.name, None)
            return
        self._unreadable.discard(key)
        self._values.setdefault(entry.scope, {})[entry.name] = value

    def _layer(self, scope: str) -> Layer:
        found = self._layers.get(scope)
        if found is None:
            lost = tuple(name for name in LIMITS if (scope, name) in self._unreadable)
            values = {name: value for name, value in self._values.get(scope, {}).items() if name not in lost}
            found = Layer(scope=scope, values=values, unreadable=lost)
            self._layers[scope] = found
        return found


def first_entries(*, by: str, now_ns: int) -> tuple[Entry, ...]:
    """The firm's limits as they are shipped, for a table that has none."""
    return tuple(
        Entry(
            version=number,
            name=kind.name,
            scope=FIRM,
            value=list(kind.default) if isinstance(kind.default, tuple) else kind.default,
            action="set",
            by=by,
            reason="as shipped",
            created_ns=now_ns,
        )
        for number, kind in enumerate(LIMITS.values(), start=1)
    )
