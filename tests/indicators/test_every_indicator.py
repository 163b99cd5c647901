"""What holds for every indicator that is declared, whatever it computes."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import indicators as ind
from workbench import strategy as ws
from workbench.errors import BadInputError
from workbench.indicators import Choice, Indicator
from workbench.strategy.program import required_bars

ALL = ind.indicators()
OUT_OF = {"session", "volume"}
half_points = st.integers(219_990, 220_010).map(lambda doubled: doubled / 2)
holes = st.sampled_from([math.nan, math.inf, -math.inf])


def small_settings(indicator: Indicator) -> dict:
    """Lookbacks of a few bars, so that short series get past the warm-up."""
    found = {}
    for place, item in enumerate(indicator.parameters):
        if isinstance(item, Choice):
            found[item.name] = item.choices[-1]
        elif item.whole:
            found[item.name] = max(int(item.low), 3 + place)
        elif item.default is None:
            found[item.name] = item.low
    return found


def made_up(indicator: Indicator, count: int, *, seed: int, hole_rate: float = 0.0) -> list[np.ndarray]:
    """Inputs of the indicator: bars in half points whose prices often tie, with a hole here and there."""
    rng = np.random.default_rng(seed)
    close = 110_000 + np.cumsum(rng.integers(-6, 7, count)) / 2
    opened = close + rng.integers(-4, 5, count) / 2
    columns = {
        "open": opened,
        "close": close,
        "high": np.maximum(opened, close) + rng.integers(0, 5, count) / 2,
        "low": np.minimum(opened, close) - rng.integers(0, 5, count) / 2,
        "volume": rng.integers(0, 50, count).astype(float),
        "session": 17_000.0 + np.arange(count) // 7,
    }
    found = []
    for name in indicator.inputs:
        column = columns[name] if name in columns else 110_000 + np.cumsum(rng.integers(-6, 7, count)) / 2
        column = column.copy()
        if hole_rate:
            column[rng.random(count) < hole_rate] = rng.choice([math.nan, math.inf, -math.inf])
        found.append(column)
    return found


def rows_of(indicator: Indicator, result: object) -> np.ndarray:
    return np.array([result] if indicator.several is None else list(result))


def batch(indicator: Indicator, arrays: list[np.ndarray], given_settings: dict) -> np.ndarray:
    return rows_of(indicator, indicator.batch(*arrays, **given_settings))


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes()


def canonical(values: np.ndarray) -> np.ndarray:
    """NaN in one form: a NaN carries bits that mean nothing."""
    return np.where(np.isnan(values), np.nan, values)


@st.composite
def inputs(draw: st.DrawFn, indicator: Indicator) -> list[np.ndarray]:
    """Series of few different values with holes, or made-up bars with holes."""
    if draw(st.booleans()):
        seed, count = draw(st.integers(0, 10**6)), draw(st.integers(0, 90))
        return made_up(indicator, count, seed=seed, hole_rate=draw(st.sampled_from([0.0, 0.03])))
    count = draw(st.integers(0, 40))
    one = st.one_of(half_points, half_points, half_points, holes)
    return [np.array(draw(st.lists(one, min_size=count, max_size=count))) for _ in indicator.inputs]


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_cut_into_batches_gives_the_same_bits_as_all_at_once(name, data):
    indicator = ALL[name]
    arrays, chosen = data.draw(inputs(indicator)), small_settings(indicator)
    whole = canonical(batch(indicator, arrays, chosen))
    stream = indicator.stream(**chosen)
    found = [stream.update(*values) for values in zip(*(array.tolist() for array in arrays), strict=True)]
    rows = np.array(found, np.float64).reshape(len(found), len(indicator.outputs)).T
    assert same_bits(canonical(rows), whole)
    count = len(arrays[0])
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=4)))
    assert same_bits(canonical(in_pieces(indicator, arrays, chosen, cuts)), whole)


def in_pieces(indicator: Indicator, arrays: list[np.ndarray], chosen: dict, cuts: list[int]) -> np.ndarray:
    from workbench.indicators.calling import run_batch

    given_settings = indicator.settings(**chosen)
    state = np.zeros(indicator.state_size(given_settings))
    parameters = np.array(indicator.encoded(given_settings))
    pieces = [np.empty((len(indicator.outputs), 0))]
    for start, stop in zip([0, *cuts], [*cuts, len(arrays[0])], strict=True):
        out = np.empty((len(indicator.outputs), stop - start))
        inputs = tuple(np.ascontiguousarray(array[start:stop]) for array in arrays)
        run_batch(indicator.address(), state, parameters, inputs, out)
        pieces.append(out)
    return np.concatenate(pieces, axis=1)


@pytest.mark.parametrize("name", ALL)
def test_long_series_in_blocks_give_the_same_bits_as_all_at_once_and_one_by_one(name):
    indicator, chosen = ALL[name], small_settings(ALL[name])
    for hole_rate in (0.0, 0.002):
        arrays = made_up(indicator, 3_000, seed=5, hole_rate=hole_rate)
        whole = canonical(batch(indicator, arrays, chosen))
        pieces = in_pieces(indicator, arrays, chosen, [1, 2, 514, 1_026, 1_538, 2_600, 2_601])
        assert same_bits(canonical(pieces), whole)
        stream = indicator.stream(**chosen)
        found = [stream.update(*values) for values in zip(*(array.tolist() for array in arrays), strict=True)]
        rows = np.array(found, np.float64).reshape(len(found), len(indicator.outputs)).T
        assert same_bits(canonical(rows), whole)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_comes_later_changes_nothing_before(name, data):
    indicator = ALL[name]
    arrays, chosen = data.draw(inputs(indicator)), small_settings(indicator)
    cut = data.draw(st.integers(0, len(arrays[0])))
    before = batch(indicator, [array[:cut] for array in arrays], chosen)
    assert same_bits(canonical(batch(indicator, arrays, chosen)[:, :cut]), canonical(before))


@pytest.mark.parametrize("name", ALL)
def test_the_first_value_comes_when_the_warm_up_is_over_and_again_after_a_hole(name):
    indicator, chosen = ALL[name], small_settings(ALL[name])
    arrays = made_up(indicator, 60, seed=3)
    if "session" in indicator.inputs:  # a new day at every bar
        arrays[indicator.inputs.index("session")] = np.arange(17_000.0, 17_060.0)
    if "volume" in indicator.inputs:
        arrays[indicator.inputs.index("volume")] += 1.0
    found = batch(indicator, arrays, chosen)
    warm_up = indicator.warm_up(indicator.settings(**chosen))
    complete = ~np.isnan(found).any(axis=0)
    assert not complete[:warm_up].any()
    assert complete[warm_up:].all()
    for place in range(len(arrays)):
        spoiled = [np.concatenate([array, array[:1], array]) for array in arrays]
        spoiled[place][60] = math.nan
        again = batch(indicator, spoiled, chosen)
        assert np.isnan(again[:, 60]).all()
        assert same_bits(canonical(again[:, 61:]), canonical(found))


@pytest.mark.parametrize("name", ALL)
def test_rules_read_it_write_it_and_reckon_its_warm_up(name):
    indicator, chosen = ALL[name], small_settings(ALL[name])
    make = getattr(ws, name)
    given_inputs = ["bar.bid"] if indicator.prices else []
    arguments: list = [ws.bar.bid] if indicator.prices else []
    named = dict(chosen)
    for series in indicator.series:
        arguments.append(ws.bar.mid.close if series != "y" else ws.bar.ask.high)
        given_inputs.append(series)
    if "volume" in indicator.inputs:
        with pytest.raises(BadInputError, match="bars of quotes carry none"):
            make(*arguments, **named)
        named["volume"] = ws.bar.hour + 1
    made = make(*arguments, **named)
    for expr in [made] if indicator.several is None else made:
        text = json.dumps(ws.expression_to_json(expr), allow_nan=False)
        assert ws.expression_from_json(json.loads(text)).key == expr.key
        scope = {"bar": ws.bar, name: make}
        assert eval(repr(expr), scope).key == expr.key
        assert required_bars([expr]) == 1 + indicator.warm_up(indicator.settings(**chosen))
    assert make.__name__ == name
    assert indicator.__doc__


@pytest.mark.parametrize("name", ALL)
def test_each_parameter_out_of_its_range_is_refused_by_name(name):
    indicator, chosen = ALL[name], small_settings(ALL[name])
    for item in indicator.parameters:
        wrong = "none of them" if isinstance(item, Choice) else item.high + 1
        with pytest.raises(BadInputError, match=rf"^{name} "):
            indicator.stream(**{**chosen, item.name: wrong})
    with pytest.raises(TypeError, match=name):
        indicator.stream(**chosen, unheard_of=1)
