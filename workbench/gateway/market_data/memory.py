"""What the gateway keeps in memory of a strategy that follows every quote; all of it can be had again."""

from dataclasses import dataclass, field
from typing import Any

from workbench.gateway.messages import EventReply

__all__ = ["QuoteMemory"]


@dataclass(slots=True)
class QuoteMemory:
    """Of one deployment."""

    last: EventReply | None = None  # the event that was handed over last
    before: int = 0  # the event that the strategy had done with then
    written: int = 0  # the last event whose delivery is in the store
    decision: dict[str, Any] = field(default_factory=dict)  # on the last event, once it was done with
    again: Any = None  # the events before, computed again for a kernel that came back
