"""The messages between live kernels, people's tools and the gateway: typed, versioned and small.

Wire: ZeroMQ on Unix sockets, one msgspec-JSON message a frame. A live kernel (DEALER) sends a
`KernelRequest` and gets one `KernelReply`; a tool (REQ-like DEALER) sends an `OperatorRequest` and gets
an `OperatorReply`. The live kernel pulls: it asks for the event after the one it has done with, so a
replay goes on only when every strategy has decided, and a slow one is never flooded.
"""

from typing import Any

import msgspec

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.limits import Limits
from workbench.domain.orders import ClientOrderId, ExitChange, Fill, Order
from workbench.domain.quotes import Bar, Quote
from workbench.gateway.controls.exposure import Exposure
from workbench.gateway.controls.overriding import Override

__all__ = [
    "PROTOCOL_VERSION",
    "AskExposure",
    "Attach",
    "Attached",
    "BarClosed",
    "CancelIntent",
    "CancelResult",
    "ChangeIntent",
    "ChangeResult",
    "EventReply",
    "FeedEnded",
    "FeedEvent",
    "Heartbeat",
    "IntentResult",
    "Judged",
    "KernelReply",
    "KernelRequest",
    "NextEvent",
    "Ok",
    "OperatorReply",
    "OperatorRequest",
    "QuoteMoved",
    "Refused",
    "SubmitIntent",
    "Waiting",
]

PROTOCOL_VERSION = 2


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    pass


# --- events of a feed: the same from a replay and from a broker's stream ---------------------------


class QuoteMoved(_Message, frozen=True, kw_only=True):
    """A new quote."""

    seq: int  # of the deployment's feed, from 1, gap-free
    quote: Quote


class BarClosed(_Message, frozen=True, kw_only=True, omit_defaults=True):
    """All bars that close at one instant are complete: the strategy decides now."""

    seq: int
    bar: Bar
    others: tuple[Bar, ...] = ()  # those of further instruments, in the order of their ids
    quoted: bool = False  # made of quotes that came one by one before: nothing is matched on it

    @property
    def bars(self) -> tuple[Bar, ...]:
        """All of them, in the order of the instruments' ids."""
        return (self.bar, *self.others)


class FeedEnded(_Message, frozen=True, kw_only=True):
    """A replay came to its end; nothing follows."""

    seq: int
    time_ns: int


FeedEvent = QuoteMoved | BarClosed | FeedEnded


# --- a live kernel asks ----------------------------------------------------------------------------


class Attach(_Message, frozen=True, kw_only=True):
    """The first message of a live kernel."""

    version: int
    deployment_id: str
    token: str  # the session secret its supervisor was given for it
    pid: int


class NextEvent(_Message, frozen=True, kw_only=True):
    """I have done with events up to `after` (0: none); give me the next that asks for a decision."""

    deployment_id: str
    token: str
    after: int
    decision: dict[str, Any]  # what was decided on event `after`; empty for nothing
    quotes: bool = False  # whether the strategy decides on every quote too


class SubmitIntent(_Message, frozen=True, kw_only=True):
    """Place this order, in the place of another if it says so.

    Sending it again with the same client id returns the first answer.
    """

    deployment_id: str
    token: str
    event_seq: int
    order: Order
    control: str = ""  # which control stopped it in the strategy runtime: it is written down and not sent
    reason: str = ""


class CancelIntent(_Message, frozen=True, kw_only=True):
    """Take this order back. Sending it again for the same event returns the first answer."""

    deployment_id: str
    token: str
    event_seq: int
    client_order_id: ClientOrderId


class ChangeIntent(_Message, frozen=True, kw_only=True):
    """Change exits. Sending it again for the same event and number returns the first answer."""

    deployment_id: str
    token: str
    event_seq: int
    number: int  # of the event's changes, from 0
    change: ExitChange


class Heartbeat(_Message, frozen=True, kw_only=True):
    """I am alive."""

    deployment_id: str
    token: str


class AskExposure(_Message, frozen=True, kw_only=True):
    """What would my orders be judged against now? Asked before orders leave the strategy runtime."""

    deployment_id: str
    token: str


KernelRequest = Attach | NextEvent | SubmitIntent | CancelIntent | ChangeIntent | Heartbeat | AskExposure


# --- the gateway answers -----------------------------------------------------------------------------


class Attached(_Message, frozen=True, kw_only=True):
    """Welcome; `acked` is the last event this deployment had done with before (0: none)."""

    version: int
    acked: int
    killed: bool


class EventReply(_Message, frozen=True, kw_only=True):
    """The event, the books as of it, the fills since the event before, and whether it was done with before.

    A replayed event carries what was decided then, so the kernel can check that it decides the same.
    """

    event: QuoteMoved | BarClosed | FeedEnded
    account: AccountSnapshot
    fills: tuple[Fill, ...]
    replayed: bool
    decision: dict[str, Any]


class Waiting(_Message, frozen=True, kw_only=True):
    """Nothing yet; ask again."""

    killed: bool


class IntentResult(_Message, frozen=True, kw_only=True):
    """What became of an intent; DENIED carries the control, its limit and the observed value in `reason`."""

    client_order_id: str
    state: str  # OrderState
    control: str
    reason: str
    repeated: bool  # the same intent had been answered before


class CancelResult(_Message, frozen=True, kw_only=True):
    """What became of a wish to take an order back: `state` is the order's.

    CANCELED: it was taken back. FILLED, EXPIRED, REJECTED, DENIED: it had ended before. UNKNOWN: nobody
    knows yet. An order that this deployment never had is answered REJECTED.
    """

    client_order_id: str
    state: str  # OrderState
    reason: str
    repeated: bool  # the same wish had been answered before


class Judged(_Message, frozen=True, kw_only=True):
    """What orders are judged against now: an exposure for each instrument, and the release's own limits."""

    exposures: tuple[Exposure, ...]
    limits: Limits
    overrides: tuple[Override, ...] = ()  # those that may let an order past


class ChangeResult(_Message, frozen=True, kw_only=True):
    """What became of a change of exits; DENIED carries the control, its limit and the observed value.

    REJECTED: nothing of the kind is held, or the broker does not do it. UNKNOWN: nobody knows yet.
    """

    state: str  # ChangeState
    control: str
    reason: str
    repeated: bool  # the same wish had been answered before


class Ok(_Message, frozen=True, kw_only=True):
    """Done."""


class Refused(_Message, frozen=True, kw_only=True):
    """Not done, and why, in one sentence."""

    reason: str


KernelReply = (
    Attached | EventReply | Waiting | IntentResult | CancelResult | ChangeResult | Judged | Ok | Refused
)


# --- people's verbs ------------------------------------------------------------------------------------


class OperatorRequest(_Message, frozen=True, kw_only=True):
    """One verb: status, open, close, stop, resume, kill, unkill, verify, shutdown."""

    version: int
    verb: str
    user: str
    role: str
    arguments: dict[str, Any]


class OperatorReply(_Message, frozen=True, kw_only=True):
    """The verb's answer; `error` is empty when it was done."""

    error: str
    value: dict[str, Any]
