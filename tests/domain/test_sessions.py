"""The trading sessions, against the hours that are published in New York time."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from workbench.domain.sessions import SESSIONS


@pytest.mark.parametrize(
    ("name", "opens", "closes"),
    [("tokyo", 19, 4), ("london", 3, 12), ("new_york", 8, 17)],  # published, in New York's winter
)
def test_sessions_are_where_they_are_published_to_be(name: str, opens: int, closes: int) -> None:
    session, day = SESSIONS[name], date(2026, 1, 14)
    for minute, hour in ((session.start, opens), (session.end, closes)):
        local = datetime.combine(day, time(), tzinfo=ZoneInfo(session.zone)) + timedelta(minutes=minute)
        assert local.astimezone(ZoneInfo("America/New_York")).hour == hour


def test_london_moves_against_new_york_while_only_one_has_changed_its_clock() -> None:
    london = SESSIONS["london"]

    def opening(day: date) -> int:
        local = datetime.combine(day, time(london.start // 60), tzinfo=ZoneInfo(london.zone))
        return local.astimezone(ZoneInfo("America/New_York")).hour

    assert [opening(date(2026, 3, day)) for day in (6, 9, 27, 30)] == [3, 4, 4, 3]
