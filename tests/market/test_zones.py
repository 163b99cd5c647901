"""The clock of a file is found from the market's week or another series, and never guessed."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.market.bars_for_tests import bars_at
from workbench.domain.calendar import are_open, to_ns
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.market.bars import Ints
from workbench.market.errors import TimeZoneNotStatedError, WrongTimeZoneError
from workbench.market.formats import open_source
from workbench.market.new_york import local_ns
from workbench.market.zones import Survey, Surveyor, clock, contradiction, detect, weekly_offsets

EUR_USD = instrument("EUR_USD")
HOUR = 3_600 * 10**9


def _open_times(start: datetime, weeks: int, *, step: int = HOUR // 4) -> Ints:
    times = to_ns(start) + np.arange(weeks * 7 * 24 * HOUR // step, dtype=np.int64) * step
    return times[are_open(times)]


def _by(name: str, utc: Ints) -> Ints:
    """What the clock called `name` shows."""
    shown = clock(name)
    return local_ns(utc, shown.zone) + shown.shift_ns


def _survey(times: Ints, prices: Ints | None = None) -> Survey:
    surveyor = Surveyor()
    found = np.full(len(times), 110_000, dtype=np.int64) if prices is None else prices
    for low in range(0, len(times), 997):  # in batches, as files are read
        surveyor.add(times[low : low + 997], found[low : low + 997])
    return surveyor.survey()


@pytest.mark.parametrize(
    "name",
    [
        *("UTC", "America/New_York", "America/New_York+7h", "Europe/London"),
        *("Europe/Berlin", "Etc/GMT+5", "Asia/Tokyo"),
    ],
)
@pytest.mark.parametrize("start", [datetime(2026, 2, 16, tzinfo=UTC), datetime(2026, 10, 12, tzinfo=UTC)])
def test_seven_weeks_around_the_changes_of_the_clocks_name_the_zone(name: str, start: datetime) -> None:
    evidence, why = detect(_survey(_by(name, _open_times(start, 7))))
    assert evidence is not None, why
    assert (evidence.zone, evidence.basis) == (name, "detected")
    assert "weekly openings" in evidence.text


def test_the_evidence_says_whose_daylight_saving_it_is() -> None:
    times = _open_times(datetime(2026, 2, 16, tzinfo=UTC), 7)
    new_york, _ = detect(_survey(_by("America/New_York", times)))
    london, _ = detect(_survey(_by("Europe/London", times)))
    assert new_york is not None
    assert london is not None
    assert "5 h behind UTC from 2026-02-20 to 2026-03-06, 4 h behind UTC from 2026-03-08" in new_york.text
    assert "changing as clocks in the United States do" in new_york.text
    assert "changing as clocks in Europe do" in london.text


@settings(max_examples=25, deadline=None)
@given(
    year=st.integers(2007, 2026),
    name=st.sampled_from(["UTC", "America/New_York", "America/New_York+7h", "Europe/London"]),
)
def test_twenty_years_of_clock_changes_are_told_apart(year: int, name: str) -> None:
    evidence, why = detect(_survey(_by(name, _open_times(datetime(year, 2, 20, tzinfo=UTC), 7))))
    assert evidence is not None, why
    assert evidence.zone == name


def test_clocks_that_showed_the_same_all_the_time_are_one_answer() -> None:
    winter = _by("Etc/GMT+5", _open_times(datetime(2026, 1, 5, tzinfo=UTC), 4))
    evidence, _ = detect(_survey(winter))
    assert evidence is not None
    assert evidence.zone == "America/New_York"
    assert "as are Etc/GMT+5" in evidence.text
    preferred, _ = detect(_survey(winter), prefer=("Etc/GMT+5",))
    assert preferred is not None
    assert preferred.zone == "Etc/GMT+5"


def test_a_holiday_week_does_not_mislead() -> None:
    times = _open_times(datetime(2025, 12, 1, tzinfo=UTC), 7)
    christmas = (times >= to_ns(datetime(2025, 12, 24, 20, tzinfo=UTC))) & (
        times < to_ns(datetime(2025, 12, 26, 1, tzinfo=UTC))
    )
    evidence, why = detect(_survey(_by("UTC", times[~christmas])))
    assert evidence is not None, why
    assert evidence.zone == "UTC"


@pytest.mark.parametrize("days", [4, 6, 9])
def test_thin_evidence_names_nothing_and_says_what_would_settle_it(days: int) -> None:
    monday = datetime(2026, 1, 5, tzinfo=UTC)
    times = _open_times(monday, 2)
    part = times[times < to_ns(monday) + days * 24 * HOUR]
    evidence, why = detect(_survey(_by("UTC", part)))
    assert evidence is None
    assert "weeks on both sides of a change to daylight saving" in why
    assert "bars of the same time in UTC in the store" in why


def test_a_jump_that_no_clock_makes_is_not_explained_away() -> None:
    times = _open_times(datetime(2026, 5, 4, tzinfo=UTC), 8)
    shifted = np.where(times < to_ns(datetime(2026, 6, 1, tzinfo=UTC)), times, times + 2 * HOUR)
    evidence, why = detect(_survey(shifted))
    assert evidence is None
    assert "no clock fits" in why


def _walk(times: Ints, *, seed: int = 5) -> Ints:
    return 110_000 + np.cumsum(np.random.default_rng(seed).integers(-30, 31, len(times)))


def _trusted(times: Ints, closes: Ints) -> Bars:
    bars = bars_at(times.tolist(), Timeframe.H1)
    from workbench.market import make_bars

    return make_bars(
        bars.instrument,
        timeframe=Timeframe.H1,
        open_ns=times,
        prices={
            f"{side}_{part}": closes + (0 if side == "bid" else 13)
            for side in ("bid", "ask")
            for part in ("open", "high", "low", "close")
        },
    )


def test_another_series_settles_what_a_few_days_can_not() -> None:
    hours = _open_times(datetime(2026, 5, 4, tzinfo=UTC), 1, step=HOUR)[:60]
    closes = _walk(hours)
    survey = _survey(_by("Etc/GMT+5", hours), closes)
    assert detect(survey)[0] is None
    asked: list[tuple[int, int]] = []

    def find(start_ns: int, end_ns: int) -> Bars:
        asked.append((start_ns, end_ns))
        return _trusted(hours, closes + np.random.default_rng(1).integers(-2, 3, len(closes)))

    evidence, why = detect(survey, trusted=find)
    assert evidence is not None, why
    assert evidence.zone == "Etc/GMT+5"
    assert "follow EUR_USD H1 of the store (r > 0.95) 5 h behind UTC" in evidence.text
    assert asked[0][0] < hours[0] < hours[-1] < asked[0][1]
    unlike = _trusted(hours, _walk(hours, seed=99))
    assert detect(survey, trusted=unlike)[0] is None


def test_the_best_offset_of_each_week_follows_the_clock() -> None:
    hours = _open_times(datetime(2026, 2, 16, tzinfo=UTC), 6, step=HOUR)
    closes = _walk(hours)
    found = list(weekly_offsets(_survey(_by("America/New_York", hours), closes), _trusted(hours, closes)))
    assert [item[1] for item in found] == [-5, -5, -5, -4, -4, -4]
    assert min(item[2] for item in found) > 0.95


def test_a_clock_may_have_hours_added() -> None:
    shown = clock("metatrader")
    assert (shown.name, shown.zone, shown.shift_ns) == (
        "America/New_York+7h",
        ZoneInfo("America/New_York"),
        7 * HOUR,
    )
    midnight = np.array([to_ns(datetime(2026, 3, 9, tzinfo=UTC))], dtype=np.int64)
    utc, doubtful = shown.to_utc(midnight)
    assert utc[0] == to_ns(datetime(2026, 3, 8, 21, tzinfo=UTC))  # 17:00 New York, 23:00 in Athens
    assert not doubtful.any()
    for wrong in ("Mars/Base", "", "../etc/passwd", "UTC+99999h"):
        with pytest.raises(BadInputError, match="unknown time zone"):
            clock(wrong)


def test_metals_may_open_an_hour_later() -> None:
    times = _open_times(datetime(2026, 5, 4, tzinfo=UTC), 4)
    late = times[(local_ns(times) // HOUR % 24) != 17]
    assert "4 at 18:00" in contradiction(_survey(late), clock("UTC")) or "3 at 18:00" in contradiction(
        _survey(late), clock("UTC")
    )
    assert contradiction(_survey(late), clock("UTC"), metals=True) == ""


def _file(folder: Path, times: Ints, prices: Ints | None = None, name: str = "bid.csv") -> Path:
    values = np.full(len(times), 110_000, dtype=np.int64) if prices is None else prices
    rows = ["time,open,high,low,close"]
    for moment, price in zip(times.tolist(), values.tolist(), strict=True):
        shown = str(np.datetime64(moment, "ns").astype("M8[s]"))
        rows.append(f"{shown},{','.join([f'{price // 10**5}.{price % 10**5:05d}'] * 4)}")
    path = folder / name
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_file_is_placed_by_itself_and_the_report_says_why(tmp_path: Path, cost_book: CostBook) -> None:
    utc = _open_times(datetime(2026, 2, 16, tzinfo=UTC), 7)
    source = open_source(_file(tmp_path, _by("Europe/Berlin", utc)), EUR_USD, cost_book=cost_book)
    assert (source.zone.zone, source.zone.basis) == ("Europe/Berlin", "detected")
    (bars,) = source.batches()
    assert isinstance(bars, Bars)
    assert np.array_equal(bars.open_ns, utc)
    assert "weekly openings" in source.describe()


def test_a_zone_that_was_told_is_held_against_the_weeks(tmp_path: Path, cost_book: CostBook) -> None:
    path = _file(tmp_path, _by("America/New_York", _open_times(datetime(2026, 2, 16, tzinfo=UTC), 7)))
    with pytest.raises(WrongTimeZoneError, match=r"in Etc/GMT\+5 .* fits America/New_York$"):
        open_source(path, EUR_USD, timezone="Etc/GMT+5", cost_book=cost_book)
    told = open_source(path, EUR_USD, timezone="America/New_York", cost_book=cost_book)
    assert told.zone.basis == "given"
    assert "as told; 7 weekly openings" in told.zone.text


def test_a_metatrader_server_that_is_not_in_new_york_is_noticed(tmp_path: Path, cost_book: CostBook) -> None:
    utc = _open_times(datetime(2026, 2, 16, tzinfo=UTC), 7)
    path = _file(tmp_path, _by("Europe/London", utc))
    rows = (line.split(",") for line in path.read_text().splitlines()[1:])
    meta = tmp_path / "EURUSD15.csv"
    meta.write_text(
        "\n".join(",".join([row[0][:10].replace("-", "."), row[0][11:16], *row[1:], "5"]) for row in rows)
    )
    source = open_source(meta, EUR_USD, cost_book=cost_book)
    assert (source.format, source.zone.zone, source.zone.basis) == ("mt4", "Europe/London", "detected")


def test_a_series_in_the_store_places_a_short_file(tmp_path: Path, cost_book: CostBook) -> None:
    hours = _open_times(datetime(2026, 5, 4, tzinfo=UTC), 1, step=HOUR)[:60]
    closes = _walk(hours)
    path = _file(tmp_path, _by("America/New_York+7h", hours), closes)
    with pytest.raises(TimeZoneNotStatedError, match="The evidence does not settle it"):
        open_source(path, EUR_USD, cost_book=cost_book)
    source = open_source(path, EUR_USD, cost_book=cost_book, trusted=_trusted(hours, closes))
    (bars,) = source.batches()
    assert isinstance(bars, Bars)
    assert np.array_equal(bars.open_ns, hours)
