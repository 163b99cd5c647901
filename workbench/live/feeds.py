"""The feed of a deployment: its release's own pinned bars or ticks replayed, or quotes from a stream."""

import time
from datetime import date
from typing import Any

import sqlalchemy as sa

from workbench.errors import BadInputError
from workbench.live.releases import ReleasedNotebook
from workbench.live.replays import replay_feed
from workbench.store.schema import datasets

__all__ = ["FEEDS", "TICKS_PER_SECOND", "chosen_feed"]

FEEDS = ("bars", "ticks", "stream")
TICKS_PER_SECOND = 1_000.0


def chosen_feed(
    engine: sa.Engine,
    release: ReleasedNotebook,
    *,
    kind: str,
    start: date | None = None,
    end: date | None = None,
    per_second: float | None = None,
    source: str = "",
    every_quote: bool = False,
) -> dict[str, Any]:
    """The feed as the gateway understands it.

    Parameters
    ----------
    kind
        One of `FEEDS`.
    start, end
        Of a replay, see `replay_feed`.
    per_second
        Replayed bars or ticks a second, 0 for no pause; 20 bars or 1,000 ticks when None.
    source
        Of a stream: who publishes it, as in ``demo`` for the home's socket ``quotes-demo.sock``.
    every_quote
        Of a stream: whether the strategy is given each quote; otherwise the latest where it is slower.

    Raises
    ------
    BadInputError
        What was given does not belong to that kind of feed, or the pinned data is not of that kind.
    """
    if kind not in FEEDS:
        raise BadInputError(f"expected a feed of {', '.join(FEEDS)}, found {kind!r}")
    if kind == "stream":
        return _stream(start, end, per_second, source=source, every_quote=every_quote)
    if source or every_quote:
        raise BadInputError(
            f"a replay of {kind} has no source and gives every quote: leave --source and --every-quote out, "
            "or take --feed stream"
        )
    if kind == "bars":
        return replay_feed(engine, release, start=start, end=end, bars_per_second=per_second)
    if of_bars := _not_ticks(engine, release):
        raise BadInputError(
            f"expected ticks behind the pinned data of {', '.join(of_bars)} in release {release.name}, found "
            "bars; take --feed bars, or import ticks, load the notebook's bars from them and promote again"
        )
    speed = TICKS_PER_SECOND if per_second is None else per_second
    feed = replay_feed(engine, release, start=start, end=end, bars_per_second=speed)
    return {**feed, "kind": "ticks"}


def _stream(
    start: date | None, end: date | None, per_second: float | None, *, source: str, every_quote: bool
) -> dict[str, Any]:
    if start is not None or end is not None or per_second is not None:
        raise BadInputError(
            "a stream begins now and goes on at its own pace: leave --from, --to and --speed out, or take "
            "--feed bars or ticks"
        )
    if not source:
        raise BadInputError(
            "a stream needs --source, the name under which its quotes are published (quotes-NAME.sock)"
        )
    return {"kind": "stream", "source": source, "start_ns": time.time_ns(), "every_quote": every_quote}


def _not_ticks(engine: sa.Engine, release: ReleasedNotebook) -> list[str]:
    """The instruments whose pinned data are not ticks."""
    pinned = {name: release.fingerprints[name] for name in release.quoted}
    query = sa.select(datasets.c.fingerprint, datasets.c.kind).where(
        datasets.c.fingerprint.in_(sorted(set(pinned.values())))
    )
    with engine.connect() as connection:
        kinds = {row.fingerprint: row.kind for row in connection.execute(query)}
    return [name for name, fingerprint in pinned.items() if kinds.get(fingerprint) == "bars"]
