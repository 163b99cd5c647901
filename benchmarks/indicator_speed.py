"""Indicators next to TA-Lib, pandas and vectorbt, on the same values, in the same process (P20, P21).

Prints one line a target: id, what, ours, peer and its version, ratio, target, met or not. Speed is per second
of processor time, the median of `REPEATS` interleaved repeats over a year of M1 bars; results are checked
equal first, from the 1,000th bar on, where differences of the seeds have died out. Run it alone.
"""

import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from workbench import indicators as ind

REPEATS = 9
BARS = 371_000
SETTLED = 1_000
AGAINST = {"TA-Lib": 0.8, "pandas": 4.0, "vectorbt": 4.0}
SMA_AGAINST = {**AGAINST, "TA-Lib": 1.3}
STREAM_TARGET_US = 2.0

Compute = Callable[[], Any]


def main() -> int:
    """Print every measured line; 1 when a target is missed."""
    rows = measure()
    for row in rows:
        verdict = {True: "met", False: "MISSED", None: "-"}[row["met"]]
        ratio = "" if row["ratio"] is None else f" {row['ratio']:6.2f}x"
        peer = f" {row['peer']} {row['peer_version']}".rstrip()
        print(
            f"{row['id']:4} {row['what']:32} {row['ours']:9.2f} {row['unit']:12}{peer:18}{ratio}"
            f"  target {row['target']:g}  {verdict}"
        )
    return int(any(row["met"] is False for row in rows))


def measure() -> list[dict[str, Any]]:
    """The lines of P20 for every indicator that a peer has, and of P21."""
    market = _market()
    rows: list[dict[str, Any]] = []
    for name, (ours, peers) in _cases(market).items():
        rows += _compare(name, ours, peers)
    return [*rows, _stream(market)]


def _market() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    close = np.rint(110_000 + np.cumsum(rng.normal(0, 15, BARS)))
    opened = np.concatenate(([close[0]], close[:-1]))
    return {
        "close": close,
        "open": opened,
        "high": np.maximum(opened, close) + np.rint(np.abs(rng.normal(0, 8, BARS))),
        "low": np.minimum(opened, close) - np.rint(np.abs(rng.normal(0, 8, BARS))),
        "volume": rng.integers(1, 500, BARS).astype(float),
        "other": close + np.rint(rng.normal(0, 30, BARS)),
    }


def _cases(market: dict[str, np.ndarray]) -> dict[str, tuple[Compute, dict[str, Compute]]]:
    """Ours and the peers of every indicator that has some; those that are not installed are left out."""
    c, h, l, o = market["close"], market["high"], market["low"], market["open"]
    v, x = market["volume"], market["other"]
    apart = (
        c + np.arange(BARS) / 2**19
    )  # without equal values, of which TA-Lib takes now the first, now the last
    frame = pd.DataFrame(market)
    close, high, low = frame["close"], frame["high"], frame["low"]
    cases: dict[str, tuple[Compute, dict[str, Compute]]] = {
        "sma 20": (lambda: ind.sma(c, 20), {"pandas": lambda: close.rolling(20).mean()}),
        "ema 20": (lambda: ind.ema(c, 20), {"pandas": lambda: close.ewm(span=20, adjust=False).mean()}),
        "rsi 14": (lambda: ind.rsi(c, 14), {"pandas": lambda: _pandas_rsi(close)}),
        "atr 14": (lambda: ind.atr(h, l, c, 14), {"pandas": lambda: _pandas_atr(high, low, close)}),
        "bollinger 20": (lambda: ind.bollinger(c, 20), {"pandas": lambda: _pandas_bands(close)}),
    }
    try:
        import vectorbt as vbt
    except ImportError:
        print("vectorbt is not installed: its lines are left out", file=sys.stderr)
    else:
        cases["sma 20"][1]["vectorbt"] = lambda: vbt.MA.run(close, 20).ma
        cases["ema 20"][1]["vectorbt"] = lambda: vbt.MA.run(close, 20, ewm=True).ma
        cases["rsi 14"][1]["vectorbt"] = lambda: vbt.RSI.run(close, 14, ewm=True).rsi
        cases["atr 14"][1]["vectorbt"] = lambda: vbt.ATR.run(high, low, close, 14).atr
        cases["bollinger 20"][1]["vectorbt"] = lambda: vbt.BBANDS.run(close, 20).upper
    try:
        import talib
    except ImportError:
        print("TA-Lib is not installed: its lines are left out", file=sys.stderr)
        return cases
    cases["sma 20"][1]["TA-Lib"] = lambda: talib.SMA(c, 20)
    cases["ema 20"][1]["TA-Lib"] = lambda: talib.EMA(c, 20)
    cases["rsi 14"][1]["TA-Lib"] = lambda: talib.RSI(c, 14)
    cases["atr 14"][1]["TA-Lib"] = lambda: talib.ATR(h, l, c, 14)
    cases["bollinger 20"][1]["TA-Lib"] = lambda: talib.BBANDS(c, 20, matype=0)[::-1]
    others: dict[str, tuple[Compute, Compute]] = {
        "wma 20": (lambda: ind.wma(c, 20), lambda: talib.WMA(c, 20)),
        "dema 20": (lambda: ind.dema(c, 20), lambda: talib.DEMA(c, 20)),
        "tema 20": (lambda: ind.tema(c, 20), lambda: talib.TEMA(c, 20)),
        "trima 20": (lambda: ind.trima(c, 20), lambda: talib.TRIMA(c, 20)),
        "kama 10": (lambda: ind.kama(c, 10), lambda: talib.KAMA(c, 10)),
        "trix 15": (lambda: ind.trix(c, 15), lambda: talib.TRIX(c, 15)),
        "roc 10": (lambda: ind.roc(c, 10), lambda: talib.ROC(c, 10)),
        "momentum 10": (lambda: ind.momentum(c, 10), lambda: talib.MOM(c, 10)),
        "cmo 14": (lambda: ind.cmo(c, 14), lambda: talib.CMO(c, 14)),
        "macd": (lambda: ind.macd(c), lambda: talib.MACD(c)),
        "ppo": (lambda: ind.ppo(c).line, lambda: talib.PPO(c, 12, 26, 1)),
        "stochastic": (lambda: ind.stochastic(h, l, c), lambda: talib.STOCH(h, l, c, 14, 3, 0, 3, 0)),
        "stochastic_fast": (lambda: ind.stochastic_fast(h, l, c), lambda: talib.STOCHF(h, l, c, 14, 3, 0)),
        "stochastic_rsi": (lambda: ind.stochastic_rsi(c), lambda: talib.STOCHRSI(c, 14, 14, 3, 0)),
        "williams_r 14": (lambda: ind.williams_r(h, l, c, 14), lambda: talib.WILLR(h, l, c, 14)),
        "cci 20": (lambda: ind.cci(h, l, c, 20), lambda: talib.CCI(h, l, c, 20)),
        "ultimate_oscillator": (lambda: ind.ultimate_oscillator(h, l, c), lambda: talib.ULTOSC(h, l, c)),
        "aroon 14": (
            lambda: ind.aroon(h, l, 14),
            lambda: (*talib.AROON(h, l, 14)[::-1], talib.AROONOSC(h, l, 14)),
        ),
        "adx 14": (
            lambda: ind.adx(h, l, c, 14),
            lambda: (talib.ADX(h, l, c, 14), talib.PLUS_DI(h, l, c, 14), talib.MINUS_DI(h, l, c, 14)),
        ),
        "parabolic_sar": (lambda: ind.parabolic_sar(h, l).stop, lambda: talib.SAR(h, l)),
        "true_range": (lambda: ind.true_range(h, l, c), lambda: talib.TRANGE(h, l, c)),
        "natr 14": (lambda: ind.natr(h, l, c, 14), lambda: talib.NATR(h, l, c, 14)),
        "stdev 20": (lambda: ind.stdev(c, 20), lambda: talib.STDDEV(c, 20)),
        "highest 20": (lambda: ind.highest(c, 20), lambda: talib.MAX(c, 20)),
        "lowest 55": (lambda: ind.lowest(c, 55), lambda: talib.MIN(c, 55)),
        "highest 200": (lambda: ind.highest(c, 200), lambda: talib.MAX(c, 200)),
        "highest_bars 20": (
            lambda: ind.highest_bars(apart, 20),
            lambda: np.arange(BARS) - talib.MAXINDEX(apart, 20),
        ),
        "linear_regression 14": (
            lambda: itemgetter(0, 1, 2, 4)(ind.linear_regression(c, 14)),
            lambda: (
                talib.LINEARREG(c, 14),
                talib.LINEARREG_SLOPE(c, 14),
                talib.LINEARREG_INTERCEPT(c, 14),
                talib.TSF(c, 14),
            ),
        ),
        "correlation 30": (lambda: ind.correlation(x, c, 30), lambda: talib.CORREL(x, c, 30)),
        "obv": (lambda: ind.obv(c, v), lambda: talib.OBV(c, v)),
        "accumulation": (lambda: ind.accumulation(h, l, c, v), lambda: talib.AD(h, l, c, v)),
        "mfi 14": (lambda: ind.mfi(h, l, c, v, 14), lambda: talib.MFI(h, l, c, v, 14)),
        "doji": (lambda: ind.doji(o, h, l, c), lambda: talib.CDLDOJI(o, h, l, c) / 100.0),
        "hammer": (lambda: ind.hammer(o, h, l, c), lambda: talib.CDLHAMMER(o, h, l, c) / 100.0),
        "engulfing": (
            lambda: ind.engulfing(o, h, l, c),
            lambda: np.sign(talib.CDLENGULFING(o, h, l, c)).astype(float),
        ),
        "morning_star": (
            lambda: ind.morning_star(o, h, l, c),
            lambda: talib.CDLMORNINGSTAR(o, h, l, c) / 100.0,
        ),
    }
    return cases | {name: (ours, {"TA-Lib": theirs}) for name, (ours, theirs) in others.items()}


def _pandas_rsi(close: "pd.Series[float]") -> "pd.Series[float]":
    change = close.diff()
    gain = change.clip(lower=0.0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0.0).ewm(alpha=1 / 14, adjust=False).mean()
    return 100.0 * gain / (gain + loss)


def _pandas_atr(
    high: "pd.Series[float]", low: "pd.Series[float]", close: "pd.Series[float]"
) -> "pd.Series[float]":
    before = close.shift(1)
    ranges = np.maximum(high, before) - np.minimum(low, before)
    return ranges.ewm(alpha=1 / 14, adjust=False).mean()


def _pandas_bands(close: "pd.Series[float]") -> list["pd.Series[float]"]:
    window = close.rolling(20)
    middle, reach = window.mean(), 2.0 * window.std(ddof=0)
    return [middle - reach, middle, middle + reach]


def _compare(name: str, ours: Compute, peers: dict[str, Compute]) -> list[dict[str, Any]]:
    """Ours against each peer, repeats interleaved."""
    expected = _settled(ours())
    for peer, theirs in peers.items():
        # vectorbt smooths ATR in another way, and gives one band; speed is compared all the same
        if peer != "vectorbt" and not np.allclose(_settled(theirs()), expected, rtol=1e-6, atol=1e-2):
            raise AssertionError(f"{name}: ours and {peer}'s values differ")
    times: dict[str, list[float]] = {"": [], **{peer: [] for peer in peers}}
    for _ in range(REPEATS):
        for peer, compute in {"": ours, **peers}.items():
            start = time.process_time()
            compute()
            times[peer].append(time.process_time() - start)
    took = {peer: statistics.median(values) for peer, values in times.items()}
    targets = SMA_AGAINST if name.startswith("sma") else AGAINST
    return [
        {
            "id": "P20",
            "what": name,
            "ours": BARS / took[""] / 1e6,
            "unit": "Mbars/cpu-s",
            "peer": peer,
            "peer_version": _version(peer),
            "ratio": took[peer] / took[""],
            "target": targets[peer],
            "met": took[peer] / took[""] >= targets[peer],
        }
        for peer in peers
    ]


def _settled(found: Any) -> np.ndarray:
    """The result as rows (a tuple or list is several outputs), from where seeds have died out."""
    several = isinstance(found, tuple | list)
    return np.array([np.asarray(item, np.float64) for item in (found if several else [found])])[:, SETTLED:]


def _stream(market: dict[str, np.ndarray]) -> dict[str, Any]:
    """Five indicators fed bar by bar from Python; their values are checked against the batch."""
    count = 100_000
    close = market["close"][:count].tolist()
    high, low = market["high"][:count].tolist(), market["low"][:count].tolist()
    took = []
    for _ in range(5):
        sma, ema, rsi = ind.sma.stream(20).update, ind.ema.stream(20).update, ind.rsi.stream(14).update
        atr, bands = ind.atr.stream(14).update, ind.bollinger.stream(20).update
        found = [(sma(1.0), ema(1.0), rsi(1.0), atr(1.0, 1.0, 1.0), bands(1.0))]
        sma, ema, rsi = ind.sma.stream(20).update, ind.ema.stream(20).update, ind.rsi.stream(14).update
        atr, bands = ind.atr.stream(14).update, ind.bollinger.stream(20).update
        found = []
        start = time.process_time()
        for h, l, c in zip(high, low, close, strict=True):
            found.append((sma(c), ema(c), rsi(c), atr(h, l, c), bands(c)))
        took.append((time.process_time() - start) / count * 1e6)
    c, h, l = (market[name][:count] for name in ("close", "high", "low"))
    expected = [ind.sma(c, 20), ind.ema(c, 20), ind.rsi(c, 14), ind.atr(h, l, c, 14), *ind.bollinger(c, 20)]
    rows = np.array([(*one[:4], *one[4]) for one in found]).T
    if not np.array_equal(rows, np.array(expected), equal_nan=True):
        raise AssertionError("the streams and the batches differ")
    ours = statistics.median(took)
    return {
        "id": "P21",
        "what": "a bar through five streams",
        "ours": ours,
        "unit": "us/bar",
        "peer": "",
        "peer_version": "",
        "ratio": None,
        "target": STREAM_TARGET_US,
        "met": ours <= STREAM_TARGET_US,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


if __name__ == "__main__":
    sys.exit(main())
