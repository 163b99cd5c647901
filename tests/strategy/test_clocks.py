"""Other timeframes, other instruments and the instruments traded: what is known when, and nothing earlier."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategy.made_up import (
    EUR_USD,
    HOUR,
    START,
    columns,
    conditions,
    lookbacks,
    made_up_bars,
    middle_of,
    numbers,
    spread_out,
)
from workbench import strategy as ws
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import PRICES, make_bars
from workbench.market.resampling import resample
from workbench.strategy.longer import LongerBars, longer_bars
from workbench.strategy.panel import evaluate_outputs

bar = ws.bar
GBP_USD, USD_JPY, AUD_USD = (instrument(name) for name in ("GBP_USD", "USD_JPY", "AUD_USD"))
TRADED = (EUR_USD, USD_JPY, AUD_USD)
pound = bar.of("GBP_USD")
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def with_gaps(count: int, *, seed: int, record, start: int = START) -> list[Bar]:
    """Bars some of which are missing, as on a thin market."""
    rng = random.Random(seed)
    return [item for item in made_up_bars(count, seed=seed, record=record, start=start) if rng.random() > 0.2]


def events(bars: dict[str, list[Bar]]) -> list[list[Bar]]:
    found: dict[int, list[Bar]] = {}
    for items in bars.values():
        for item in items:
            found.setdefault(item.close_ns, []).append(item)
    return [found[time] for time in sorted(found)]


elsewhere = st.one_of(
    numbers,
    st.sampled_from(
        [pound.mid.close, pound.timeframe("H4").bid.high, pound.hour, pound.timeframe("D1").ask.low]
    ),
    st.builds(ws.sma, st.just(pound.mid.close), lookbacks),
)
across = st.recursive(
    elsewhere,
    lambda inner: st.one_of(
        inner.map(ws.rank),
        inner.map(ws.cross_mean),
        inner.map(ws.cross_zscore),
        inner.map(ws.cross_count),
        st.tuples(inner, inner).map(lambda two: two[0] - two[1]),
        st.tuples(inner, inner).map(lambda two: middle_of(*two)),
        st.builds(lambda one, n: one.lag(n), inner, lookbacks),
        st.builds(ws.stdev, inner, st.integers(2, 6)),
        inner.map(spread_out),
    ),
    max_leaves=5,
)
panels = st.lists(st.one_of(across, conditions), min_size=1, max_size=3)


def evaluated(outputs, bars: dict[str, list[Bar]], traded=TRADED) -> dict[str, np.ndarray]:
    own = {item.id: columns(bars[item.id], item) for item in traded}
    found = evaluate_outputs(
        outputs, own, conditions=0, others={GBP_USD.id: columns(bars[GBP_USD.id], GBP_USD)}
    )
    return {name: values for name, (_, values) in found.items()}


def made_up_panel(seed: int, count: int = 40) -> dict[str, list[Bar]]:
    records = (*TRADED, GBP_USD)
    return {item.id: with_gaps(count, seed=seed + at, record=item) for at, item in enumerate(records)}


@relaxed
@given(outputs=panels, seed=st.integers(0, 2**32))
def test_several_instruments_bar_by_bar_give_the_same_bits_as_whole_columns(outputs, seed):
    bars = made_up_panel(seed)
    stream = ws.PanelStream(outputs, TRADED, others=[GBP_USD])
    found: dict[str, list[list[float]]] = {item.id: [] for item in TRADED}
    for closed in events(bars):
        for name, values in stream.update(closed).items():
            found[name].append(values)
    for name, values in evaluated(outputs, bars).items():
        assert np.array(found[name]).reshape(-1, len(outputs)).T.tobytes() == values.tobytes()


@relaxed
@given(outputs=panels, seed=st.integers(0, 2**32), hours=st.integers(0, 40))
def test_cutting_off_the_future_changes_nothing_before(outputs, seed, hours):
    bars = made_up_panel(seed)
    known = {
        name: [item for item in items if item.close_ns <= START + hours * HOUR]
        for name, items in bars.items()
    }
    whole, part = evaluated(outputs, bars), evaluated(outputs, known)
    for name, values in part.items():
        assert np.ascontiguousarray(whole[name][:, : values.shape[1]]).tobytes() == values.tobytes()


@relaxed
@given(outputs=panels, seed=st.integers(0, 2**32), shuffled=st.permutations(TRADED))
def test_the_order_of_the_instruments_changes_nothing(outputs, seed, shuffled):
    bars = made_up_panel(seed)
    expected = evaluated(outputs, bars)
    for name, values in evaluated(outputs, bars, shuffled).items():
        assert values.tobytes() == expected[name].tobytes()


# --- longer bars ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "day", ["2026-03-05", "2026-10-29", "2025-12-29"]
)  # two changes of the clock, a year's end
@pytest.mark.parametrize("frame", ["H2", "H4", "H12", "D1", "D1UTC", "W1", "MN1"])
def test_longer_bars_are_those_of_the_market_store(day, frame):
    start = int(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) * 10**9
    short = with_gaps(24 * 12, seed=3, record=EUR_USD, start=start)
    arrays = columns(short)
    bars = make_bars(
        EUR_USD,
        timeframe=Timeframe.H1,
        open_ns=arrays.open_ns,
        prices={name: getattr(arrays, name) for name in PRICES},
    )
    expected = resample(bars, Timeframe(frame))
    found = longer_bars(arrays, Timeframe(frame))
    maker, one_by_one = LongerBars(Timeframe(frame)), []
    for item in short:
        one_by_one += [made for made in (maker.add(item), maker.over_at(item.close_ns)) if made is not None]
    one_by_one += [made for made in (maker.over_at(2**62),) if made is not None]
    for name in ("open_ns", "close_ns", *PRICES):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
        assert [getattr(item, name) for item in one_by_one] == getattr(expected, name).tolist()


def test_a_longer_bar_is_known_at_its_close_and_not_before():
    bars = made_up_bars(10, seed=1)  # from midnight UTC, hour by hour
    found = ws.evaluate_expression(bar.timeframe("H4").bid.close, columns(bars)).tolist()
    assert np.isnan(found[:3]).all()  # the bar from 00:00 to 04:00 is over when the fourth hour closes
    assert found[3:] == [bars[3].bid_close] * 4 + [bars[7].bid_close] * 3
    fresh = ws.evaluate_expression(bar.timeframe("H4").just_closed, columns(bars)).tolist()
    assert [at for at, value in enumerate(fresh) if value] == [3, 7]


def test_indicators_of_longer_bars_count_longer_bars():
    bars = made_up_bars(40, seed=4)
    four = [bars[at + 3].bid_close for at in range(0, 40, 4)]
    mean = ws.evaluate_expression(ws.sma(bar.timeframe("H4").bid.close, 3), columns(bars))
    assert mean[39] == sum(four[-3:]) / 3
    before = ws.evaluate_expression(bar.timeframe("H4").bid.close.lag(1), columns(bars))
    assert before[39] == four[-2]
    own = ws.evaluate_expression(ws.sma(bar.timeframe("H4").bid.close + 0 * bar.bid.close, 3), columns(bars))
    assert own[39] == (2 * four[-2] + four[-1]) / 3  # where own bars come in, own bars count


def test_a_missing_last_hour_does_not_hold_a_longer_bar_back():
    bars = made_up_bars(10, seed=1)
    found = ws.evaluate_expression(bar.timeframe("H4").bid.close, columns([*bars[:3], *bars[4:]]))
    assert np.isnan(found[:3]).all()
    assert found[3] == bars[2].bid_close  # known when the fifth hour closes


def test_bars_that_cross_a_longer_bars_border_are_refused():
    with pytest.raises(BadInputError, match="M30 bars can not be made from these"):
        ws.evaluate_expression(bar.timeframe("M30").bid.close, columns(made_up_bars(5, seed=1)))
    stream = ws.ExprStream([bar.timeframe("M30").bid.close], instrument=EUR_USD)
    with pytest.raises(BadInputError, match="M30 bars can not be made from these"):
        stream.update(made_up_bars(1, seed=1)[0])


# --- other instruments ----------------------------------------------------------------------------------


def test_another_instrument_is_read_at_its_last_close():
    own, other = made_up_bars(6, seed=1), made_up_bars(6, seed=2, record=GBP_USD)
    others = {GBP_USD.id: columns([other[1], other[2], other[4]], GBP_USD)}
    found = ws.evaluate_expression(pound.ask.close, columns(own), others=others).tolist()
    assert np.isnan(found[0])
    assert found[1:] == [other[at].ask_close for at in (1, 2, 2, 4, 4)]


def test_a_price_level_is_in_the_points_of_whose_bars_it_is_compared_with():
    yen = bar.of("USD_JPY").bid.close > ws.price("109.99")
    others = {USD_JPY.id: columns(made_up_bars(3, seed=1, record=USD_JPY), USD_JPY)}
    expected = [float(item.bid_close > 109_990) for item in made_up_bars(3, seed=1)]
    assert ws.evaluate_expression(yen, columns(made_up_bars(3, seed=1)), others=others).tolist() == expected


def test_bars_that_are_not_at_hand_are_asked_for():
    with pytest.raises(BadInputError, match="the rules look at GBP_USD, and no bars of it are at hand"):
        ws.evaluate_expression(pound.mid.close, columns(made_up_bars(3, seed=1)))
    with pytest.raises(BadInputError, match="no bars of it are at hand"):
        ws.PanelStream([pound.mid.close], [EUR_USD])


def test_all_bars_of_a_time_come_at_once_and_in_order():
    stream = ws.PanelStream([bar.mid.close], [EUR_USD, GBP_USD])
    bars = made_up_bars(3, seed=1)
    stream.update([bars[1]])
    for wrong in ([bars[1]], [bars[0]], [bars[2], made_up_bars(2, seed=1, record=GBP_USD)[1]]):
        with pytest.raises(BadInputError, match="close at one time"):
            stream.update(wrong)
    with pytest.raises(BadInputError, match="expected a bar of EUR_USD, GBP_USD, found one of USD_JPY"):
        stream.update([made_up_bars(3, seed=1, record=USD_JPY)[2]])


def test_ranks_are_among_the_bars_of_one_time():
    closes = {"EUR_USD": [5, 1, 7], "USD_JPY": [3, 1, 9], "AUD_USD": [4, 2, None]}
    bars = {}
    for name, values in closes.items():
        made = made_up_bars(3, seed=1, record=instrument(name))
        kept = [(item, value) for item, value in zip(made, values, strict=True) if value is not None]
        arrays = columns([item for item, _ in kept], instrument(name))
        fields = {field: getattr(arrays, field) for field in arrays.__dataclass_fields__}
        bars[name] = ws.BarArrays(**{**fields, "bid_close": np.array([value for _, value in kept])})
    price = bar.bid.close
    outputs = [ws.rank(price), ws.cross_mean(price), ws.cross_count(price), ws.cross_zscore(price)]
    found = {name: values for name, (_, values) in evaluate_outputs(outputs, bars, conditions=0).items()}
    assert found["EUR_USD"][0].tolist() == [3, 1.5, 1]
    assert found["USD_JPY"][0].tolist() == [1, 1.5, 2]
    assert found["AUD_USD"][0].tolist() == [2, 3]
    assert found["EUR_USD"][1].tolist() == [4, 4 / 3, 8]
    assert found["EUR_USD"][2].tolist() == [3, 3, 2]
    first = np.array([4, 5, 3])  # in the order of the ids
    assert found["USD_JPY"][3][0] == pytest.approx((3 - first.mean()) / first.std())


# --- sessions -------------------------------------------------------------------------------------------

HOURS = {
    "tokyo": ("Asia/Tokyo", 9, 18), "london": ("Europe/London", 8, 17),
    "new_york": ("America/New_York", 8, 17), "sydney": ("Australia/Sydney", 7, 16),
}  # fmt: skip


@pytest.mark.parametrize("session", HOURS)
@pytest.mark.parametrize(
    "day", ["2026-03-06", "2026-03-27", "2026-10-02", "2026-10-30"]
)  # the clocks' changes
def test_a_session_goes_by_the_clock_of_its_city(session, day):
    start = int(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) * 10**9
    bars = columns(made_up_bars(96, seed=1, start=start))
    zone, first, last = HOURS[session]
    moments = [
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(item) // 10**9)).astimezone(ZoneInfo(zone))
        for item in bars.open_ns
    ]
    expected = [float(item.weekday() < 5 and first <= item.hour < last) for item in moments]
    assert ws.evaluate_expression(ws.in_session(session), bars).tolist() == expected
    assert ws.evaluate_expression(bar.hour_in(session), bars).tolist() == [item.hour for item in moments]


def test_a_session_may_run_over_midnight_and_belongs_to_the_day_it_starts_on():
    bars = columns(made_up_bars(24 * 7, seed=1))  # from Monday
    night = ws.evaluate_expression(ws.in_session("Etc/UTC", start="22:00", end="02:00"), bars)
    hours = [at for at, value in enumerate(night) if value]
    assert hours == [24 * day + at for day in range(5) for at in (22, 23, 24, 25)]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: ws.in_session("berlin"), "expected one of sydney, tokyo, london, new_york"),
        (lambda: ws.in_session("Europe/Berlin", start="8", end="17:00"), "a time of day such as '08:30'"),
        (lambda: ws.in_session("Europe/Berlin", start="08:00", end="08:00"), "another end"),
        (lambda: bar.hour_in("Mars/Base"), "a city .* or a zone such as Europe/Berlin"),
        (lambda: bar.timeframe("H5"), "unknown timeframe 'H5'"),
        (lambda: bar.timeframe("H4").timeframe("D1"), "no timeframes of its own"),
        (lambda: bar.of("pound"), "an instrument such as GBP_USD"),
        (lambda: bar.timeframe("H4").of("GBP_USD"), "ask bar for another instrument"),
    ],
)
def test_a_clock_that_can_not_be_is_refused(write, message):
    with pytest.raises(BadInputError, match=message):
        write()
