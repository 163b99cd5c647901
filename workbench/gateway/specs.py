"""What a deployment is to the gateway: checked once, when it is opened, then kept as it was."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from workbench.domain.accounts import AccountRules
from workbench.domain.conversion import conversion_legs
from workbench.domain.cost_book import CostBook
from workbench.domain.cost_history import CostHistory, costs_from_json
from workbench.domain.instruments import Instrument, InstrumentId, instrument
from workbench.domain.limits import Limits
from workbench.domain.timeframes import Timeframe, timeframe
from workbench.errors import BadInputError

__all__ = [
    "AccountSpec",
    "DeploymentSpec",
    "FeedSpec",
    "ReplayFeedSpec",
    "StreamFeedSpec",
    "TickFeedSpec",
    "parse_spec",
]

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class _Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class AccountSpec(_Spec, frozen=True, kw_only=True):
    """The account a deployment trades on."""

    id: _Name
    currency: str  # ISO 4217
    balance: Annotated[int, msgspec.Meta(ge=0)]  # micro-units a paper book starts with
    broker: Literal["paper", "paper_http"] = "paper"
    url: str = ""  # of a broker outside the gateway's process
    at_broker: str = ""  # its id there
    rules: AccountRules = msgspec.field(default_factory=AccountRules)  # how a paper book is kept


class ReplayFeedSpec(_Spec, frozen=True, kw_only=True, tag_field="kind", tag="replay"):
    """Bars of pinned datasets, replayed: those that open in `[start_ns, end_ns)`."""

    kind: ClassVar[str] = "replay"
    fingerprint: _Hash  # of the dataset in the market store, that of the first instrument
    fingerprints: dict[str, _Hash] = {}  # of each instrument's dataset, where there are several
    start_ns: int
    end_ns: int
    bars_per_second: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 0.0  # or ticks; 0: as fast as asked


class TickFeedSpec(ReplayFeedSpec, frozen=True, kw_only=True, tag_field="kind", tag="ticks"):
    """Ticks of pinned datasets, replayed one by one, and the bars they make."""

    kind: ClassVar[str] = "ticks"
    sizes: bool = False  # orders take no more of a tick than the size recorded with it


class StreamFeedSpec(_Spec, frozen=True, kw_only=True, tag_field="kind", tag="stream"):
    """Quotes that a broker's adapter or another program publishes on a local socket."""

    kind: ClassVar[str] = "stream"
    fingerprint: ClassVar[str] = ""
    fingerprints: ClassVar[Mapping[str, str]] = {}
    source: _Name  # the socket is quotes-SOURCE.sock among the home's sockets
    start_ns: int  # bars until then warm the strategy up
    every_quote: bool = False  # or the latest of each instrument where the strategy is slower

    @property
    def end_ns(self) -> int:
        """Never."""
        return 2**63 - 1


FeedSpec = ReplayFeedSpec | TickFeedSpec | StreamFeedSpec


class DeploymentSpec(_Spec, frozen=True, kw_only=True):
    """Everything the gateway needs to trade for a deployment, and to rebuild its books."""

    deployment_id: _Name
    release_id: str = ""
    account: AccountSpec
    instruments: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=64)]
    quoted: Annotated[
        tuple[str, ...], msgspec.Meta(max_length=64)
    ] = ()  # not traded: looked at, converted by
    timeframe: str
    feed: FeedSpec
    cost_book: dict[str, Any]  # CostBook.to_json, or CostHistory.to_json where there are dated ones
    limits: dict[str, Any]  # Limits.to_json
    token_sha256: _Hash  # of the session secret its live kernel shows

    def same_business(self, other: "DeploymentSpec") -> bool:
        """Whether only the session secret and the limits differ."""
        return msgspec.structs.replace(other, token_sha256=self.token_sha256, limits=self.limits) == self

    @property
    def records(self) -> tuple[Instrument, ...]:
        """The instruments it trades, in the order of their ids."""
        return _records(self.instruments)

    @property
    def quoted_records(self) -> tuple[Instrument, ...]:
        """The instruments whose prices come too and that it does not trade, in the order of their ids."""
        return _records(self.quoted)

    @property
    def all_records(self) -> tuple[Instrument, ...]:
        """Both, in the order of their ids: those of its feed."""
        return _records((*self.instruments, *self.quoted))

    def fingerprint_of(self, name: str) -> str:
        """The dataset whose bars of an instrument are replayed."""
        return self.feed.fingerprints.get(name, self.feed.fingerprint)

    @property
    def bar_length(self) -> Timeframe:
        """The length of its bars."""
        return timeframe(self.timeframe)

    def parsed_limits(self) -> Limits:
        """Its limits."""
        return Limits.from_json(self.limits)

    def parsed_cost_books(self) -> tuple[CostBook, ...]:
        """Its cost books, the earliest first; each is in force from its day on."""
        found = costs_from_json(self.cost_book)
        return tuple(found) if isinstance(found, CostHistory) else (found,)

    @property
    def margin_rates_ppm(self) -> dict[InstrumentId, int]:
        """The highest margin rate of each instrument in any of its cost books, to judge orders by."""
        books = self.parsed_cost_books()
        return {item.id: max(book.of(item.id).margin_rate_ppm for book in books) for item in self.records}


def parse_spec(value: Mapping[str, Any]) -> DeploymentSpec:
    """Check what a deployment is opened with.

    Raises
    ------
    BadInputError
        A field is missing, unknown or of another kind; the message names it.
    """
    feed = value.get("feed")
    if isinstance(feed, Mapping) and "kind" not in feed:
        value = {**value, "feed": {"kind": "replay", **feed}}
    try:
        spec = msgspec.json.decode(msgspec.json.encode(value), type=DeploymentSpec)
    except msgspec.ValidationError as error:
        raise BadInputError(f"a deployment can not be opened: {error}; see DeploymentSpec") from None
    names = (*spec.instruments, *spec.quoted)
    if len(set(names)) != len(names):
        raise BadInputError(f"expected each instrument once, found {', '.join(names)}")
    several = set(names) if len(names) > 1 else set(spec.feed.fingerprints) & set(names)
    pinned = not isinstance(spec.feed, StreamFeedSpec)
    wrong = set(spec.feed.fingerprints) != several or (
        several and spec.feed.fingerprints[names[0]] != spec.feed.fingerprint
    )
    if wrong and pinned:
        raise BadInputError(
            f"expected the fingerprint of the bars of each of {', '.join(names)}, the first one's as "
            f"fingerprint too, found {', '.join(spec.feed.fingerprints) or 'that of the first alone'}"
        )
    _ = spec.bar_length, spec.parsed_limits(), spec.margin_rates_ppm
    _check_rules(spec.account)
    _check_feed(spec)
    if spec.feed.start_ns >= spec.feed.end_ns:
        raise BadInputError(
            f"expected a replay to end after its start, found {spec.feed.start_ns} to {spec.feed.end_ns}"
        )
    _check_conversion(spec)
    return spec


def _records(names: Iterable[str]) -> tuple[Instrument, ...]:
    return tuple(sorted((instrument(name) for name in names), key=lambda item: item.id))


def _check_conversion(spec: DeploymentSpec) -> None:
    currency = spec.account.currency
    for book in spec.parsed_cost_books():
        for item in spec.quoted_records:
            book.of(item.id)  # no costs, no books
    for record in spec.records:
        try:
            conversion_legs(record.quote, currency, spec.all_records)
        except BadInputError:
            raise BadInputError(
                f"{record.id} books its profit in {record.quote}, account {spec.account.id} is in "
                f"{currency}; take an account in {record.quote}, or give the backtest a pair of the two "
                "in also= and promote again"
            ) from None


def _check_feed(spec: DeploymentSpec) -> None:
    """Past prices decide no orders that a broker executes now."""
    if spec.account.broker != "paper" and not isinstance(spec.feed, StreamFeedSpec):
        raise BadInputError(
            f"account {spec.account.id} is at broker {spec.account.broker}: expected a stream of quotes, "
            f"found a replay of {'ticks' if spec.feed.kind == 'ticks' else 'bars'}, whose past prices would "
            "send orders there now; deploy it on a stream, or on a paper account"
        )


def _check_rules(account: AccountSpec) -> None:
    rules = account.rules
    if account.broker == "paper" and (account.url or account.at_broker):
        raise BadInputError(
            f"account {account.id}: expected no url and no at_broker with broker paper, which is the gateway "
            f"itself, found {account.url or account.at_broker}; name the broker"
        )
    if account.broker != "paper" and not (account.url and account.at_broker):
        raise BadInputError(
            f"account {account.id}: expected the url of broker {account.broker} and the account's id there, "
            "found none; add the account anew with --url and --at-broker"
        )
    if rules.latency_ns < 0 or rules.close_out_ppm < 0:
        raise BadInputError(
            f"account {account.id}: expected a latency and a close-out level of 0 or more, found "
            f"{rules.latency_ns} ns and {rules.close_out_ppm} ppm"
        )
