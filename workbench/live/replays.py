"""A replay of a release's own pinned bars, as the feed of a deployment on a paper account."""

from datetime import date
from typing import Any

import sqlalchemy as sa

from workbench.domain.calendar import day_open_ns, session_of, to_datetime
from workbench.errors import BadInputError
from workbench.live.releases import ReleasedNotebook, pinned_bars
from workbench.store.schema import datasets

__all__ = ["BARS_PER_SECOND", "replay_feed"]

BARS_PER_SECOND = 20.0
_DEFAULT_SESSIONS = 28  # calendar days before the last bar


def replay_feed(
    engine: sa.Engine,
    release: ReleasedNotebook,
    *,
    start: date | None = None,
    end: date | None = None,
    bars_per_second: float | None = None,
) -> dict[str, Any]:
    """The feed that replays the bars the release was tested on.

    Parameters
    ----------
    start
        First FX day (it begins at 17:00 New York the evening before); four weeks before the end when None.
    end
        First FX day that is left out; None replays to the last bar.
    bars_per_second
        0 goes as fast as the strategy decides.

    Raises
    ------
    BadInputError
        The bars are not in the market store, or have none in that span.
    """
    speed = BARS_PER_SECOND if bars_per_second is None else bars_per_second
    if not 0 <= speed <= 1_000_000:
        raise BadInputError(f"expected a speed of 0 (no pause) to 1,000,000 bars a second, found {speed:g}")
    first_ns, last_ns = _common_span(engine, release)
    end_ns = last_ns if end is None else min(last_ns, day_open_ns(end))
    if start is None:
        last = session_of(end_ns - 1)
        start_ns = max(first_ns, day_open_ns(date.fromordinal(last.toordinal() - _DEFAULT_SESSIONS)))
    else:
        start_ns = day_open_ns(start)
    if not first_ns <= start_ns < end_ns:
        raise BadInputError(
            f"expected a replay within {_day(first_ns)} to {_day(last_ns)}, "
            f"found {_day(start_ns)} to {_day(end_ns)}"
        )
    return {
        "kind": "replay",
        **pinned_bars(release),
        "start_ns": start_ns,
        "end_ns": end_ns,
        "bars_per_second": float(speed),
    }


def _common_span(engine: sa.Engine, release: ReleasedNotebook) -> tuple[int, int]:
    """From when until when there are bars of every instrument."""
    spans: list[tuple[int, int]] = []
    with engine.connect() as connection:
        for name in release.quoted:
            fingerprint = release.fingerprints[name]
            data = connection.execute(
                sa.select(datasets.c.first_ns, datasets.c.last_ns).where(
                    datasets.c.fingerprint == fingerprint
                )
            ).one_or_none()
            if data is None:
                raise BadInputError(
                    f"expected the bars {fingerprint[:12]} of release {release.name} in the market store, "
                    "found none; import the same file again"
                )
            spans.append((data.first_ns, data.last_ns))
    return max(first for first, _ in spans), min(last for _, last in spans)


def _day(time_ns: int) -> str:
    return f"{to_datetime(time_ns):%Y-%m-%d}"
