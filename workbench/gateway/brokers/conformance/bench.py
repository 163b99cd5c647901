"""What a broker's tests offer the cards: an account, a market, and ways to disturb both."""

from enum import StrEnum
from typing import Protocol

from workbench.domain.instruments import Instrument
from workbench.domain.orders import Order
from workbench.gateway.brokers.conformance.faults import Fault, Verb
from workbench.gateway.brokers.port import Broker

__all__ = ["Ability", "Bench"]


class Ability(StrEnum):
    """What a bench can do beyond placing orders at a quiet market; a card says which it needs."""

    MARKET = "moves the market"
    LADDER = "quotes with sizes"
    STREAM = "has a stream"
    FAULTS = "disturbs requests"
    STRANGER = "logs on with a wrong credential"
    OTHERS = "places orders of somebody else"
    RECORD = "counts what reached the broker"


class Bench(Protocol):
    """One fresh account, flat, without orders; thrown away after one card."""

    name: str
    abilities: frozenset[Ability]
    faults: frozenset[Fault]
    instrument: Instrument  # the one that is traded, whose profit is booked in the account's currency
    patience_s: float  # longest time that an answer or a line of the stream may take

    def broker(self) -> Broker:
        """A connection to the account, not logged on yet; called again, a further one to the same account."""

    def stranger(self) -> Broker:
        """A connection with a credential that is not the account's."""

    def quote(self, bid: int, ask: int, *, size: int = 0) -> None:
        """The market moves; with `size`, so many units are on offer at each side and no more."""

    def cause(self, fault: Fault, verb: Verb) -> None:
        """Let the next request of a kind meet a fault; a stream's fault at once."""

    def heal(self) -> None:
        """End all faults."""

    def received(self, client_order_id: str) -> int:
        """How often the broker itself was handed the order, by its own count."""

    def other(self, order: Order) -> None:
        """Somebody else, on the broker's own platform, places an order."""

    def close(self) -> None:
        """Throw it all away."""
