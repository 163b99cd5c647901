"""The feed that a deployment's description asks for."""

from workbench.errors import BadInputError
from workbench.gateway.desk import Desk
from workbench.gateway.feeds import BarReplay, Feed
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.market_data.tick_replay import TickReplay
from workbench.gateway.specs import DeploymentSpec, StreamFeedSpec, TickFeedSpec

__all__ = ["close_feed", "open_feed"]


def open_feed(desk: Desk, spec: DeploymentSpec) -> Feed:
    """A feed before its first event.

    Raises
    ------
    WorkbenchError
        Its data can not be had.
    """
    if isinstance(spec.feed, StreamFeedSpec):
        return desk.open_stream(spec, spec.feed)
    bars = [desk.load_bars(spec, record) for record in spec.all_records]
    pace = spec.feed.bars_per_second
    if isinstance(spec.feed, TickFeedSpec):
        ticks = [desk.load_ticks(spec, record) for record in spec.all_records]
        sizes = spec.feed.sizes
        if sizes and not any(item.bid_size.any() or item.ask_size.any() for item in ticks):
            raise BadInputError(
                f"deployment {spec.deployment_id}: expected ticks with sizes, by which its orders are "
                "filled, found none; deploy with ticks that were recorded with sizes"
            )
        return TickReplay(ticks, bars, events_per_second=pace, monotonic=desk.monotonic, sizes=sizes)
    return BarReplay(bars, bars_per_second=pace, monotonic=desk.monotonic)


def close_feed(feed: Feed) -> None:
    """Give back what a feed holds, before another takes its place."""
    if isinstance(feed, StreamFeed):
        feed.close()
