"""Notebooks with a leak planted in a known cell, and clean ones that do much the same: cells on `bars`.

Each starts from `bars`; a leak names the first cell, counted from 1, that looks ahead.
"""

__all__ = ["CLEAN", "LEAKS", "TAGGED"]

_FRAME = "import numpy as np\nimport pandas as pd\nframe = bars.to_frame()\nclose = frame['bid_close']"
_RULES = """
from workbench.strategy import Param, Rules, Strategy, Units, crosses_above, crosses_below, sma
"""
_BACKTEST = """
from workbench.domain.cost_book import retail_book
from workbench.research import run_backtest
"""

_RETURNS = "returns = close.pct_change()"

_LEVEL = (
    "class Above(Strategy):\n"
    "    units = Param(1000, low=1, high=9000)\n"
    "    def rules(self, bar):\n"
    "        from workbench.strategy import price\n"
    "        return Rules(enter_long=bar.bid.close > price(f'{level:.5f}'), "
    "exit_long=bar.bid.close < price(f'{level:.5f}'), size=Units(self.units))"
)
_CROSS = (
    "class Cross(Strategy):\n"
    "    fast = Param(5, low=2, high=50)\n"
    "    slow = Param(20, low=2, high=90)\n"
    "    def rules(self, bar):\n"
    "        f, s = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)\n"
    "        return Rules(enter_long=crosses_above(f, s), enter_short=crosses_below(f, s), "
    "size=Units(1000))"
)
_SWEPT = (
    "from workbench.research import sweep\n"
    "found = sweep({}, bars, {}, cost_book=retail_book('EUR_USD'), progress=False)"
)
_SEARCHED = (
    "from workbench.research.search import Tpe, search\n"
    "found = search({}, bars, {}, cost_book=retail_book('EUR_USD'), method=Tpe(trials=8), progress=False)"
)

LEAKS: dict[str, tuple[list[str], int]] = {
    "next close as a feature": ([_FRAME, "feature = close.shift(-1) / close - 1"], 2),
    "next close, and the last row dropped": (
        [_FRAME, "table = pd.DataFrame({'x': close, 'next': close.shift(-3)}).dropna()"],
        2,
    ),
    "scaled by the whole sample": (
        [_FRAME, "returns = close.pct_change()", "z = (returns - returns.mean()) / returns.std()"],
        3,
    ),
    "scaler of scikit-learn fitted on all": (
        [
            _FRAME,
            "from sklearn.preprocessing import StandardScaler\n"
            "x = StandardScaler().fit_transform(close.pct_change().fillna(0.0).to_numpy()[:, None])",
        ],
        2,
    ),
    "highest of all times": ([_FRAME, "drawn = close / close.max()"], 2),
    "centred window": ([_FRAME, "smooth = close.rolling(11, center=True).mean()"], 2),
    "filled backwards": (
        [_FRAME, "thin = close.where(np.arange(len(close)) % 5 == 0)", "filled = thin.bfill()"],
        3,
    ),
    "interpolated": (
        [_FRAME, "thin = close.where(np.arange(len(close)) % 7 == 0)", "between = thin.interpolate()"],
        3,
    ),
    "day's high at every hour of the day": (
        [_FRAME, "day = close.groupby(close.index.date).transform('max')"],
        2,
    ),
    "longer bars joined by their open": (
        [
            _FRAME,
            "daily = close.resample('1D').last()",
            "joined = daily.reindex(close.index, method='ffill')",
        ],
        2,
    ),
    "rank in the whole sample": ([_FRAME, "place = close.rank(pct=True)"], 2),
    "quantile of the whole sample": ([_FRAME, "high = close > close.quantile(0.9)"], 2),
    "model fitted on all": (
        [
            _FRAME,
            "x = np.column_stack([close.pct_change(k).fillna(0.0) for k in (1, 3, 8)])\n"
            "target = np.r_[np.diff(close.to_numpy()) > 0, False]",
            "weights, *_ = np.linalg.lstsq(x[:-1], target[:-1], rcond=None)\nforecast = x @ weights",
        ],
        2,
    ),
    "smoothed by a filter run both ways": (
        [
            _FRAME,
            "from scipy.signal import butter, filtfilt\nb, a = butter(3, 0.1)\n"
            "smooth = filtfilt(b, a, close.to_numpy())",
        ],
        2,
    ),
    "Fourier transform of everything": (
        [
            _FRAME,
            "parts = np.fft.rfft(close.to_numpy())\nparts[20:] = 0\nslow = np.fft.irfft(parts, len(close))",
        ],
        2,
    ),
    "turning points by looking both ways": (
        [_FRAME, "top = (close > close.shift(1)) & (close > close.shift(-1))"],
        2,
    ),
    "peaks found in all": (
        [
            _FRAME,
            "from scipy.signal import find_peaks\nmark = np.zeros(len(close))\n"
            "mark[find_peaks(close.to_numpy(), prominence=8e-3)[0]] = 1.0",
        ],
        2,
    ),
    "weights by the volatility to come": (
        [_FRAME, "vol = close.pct_change()[::-1].rolling(20).std()[::-1]", "weight = 1e-3 / vol"],
        2,
    ),
    "parameter chosen on all, used on all": (
        [
            _FRAME,
            "best = max((3, 5, 9, 15, 40), key=lambda n: float((np.sign(close.pct_change(n)).shift(1) "
            "* close.pct_change()).sum()) * (1 + len(close) % 7))",
            "side = np.sign(close - close.iloc[-1] + close.rolling(best).mean() * 0)",
        ],
        3,
    ),
    "equity of a strategy that saw the close it fills at": (
        [
            _FRAME,
            "side = np.sign(close.diff().shift(-1))",
            "equity = (side * close.diff().shift(-1)).cumsum()",
        ],
        2,
    ),
    "backtest of a rule with a constant taken from all": (
        [
            _RULES + _BACKTEST + "level = float(bars.to_frame()['bid_close'].mean())",
            "class Above(Strategy):\n"
            "    def rules(self, bar):\n"
            "        from workbench.strategy import price\n"
            "        return Rules(enter_long=bar.bid.close > price(f'{level:.5f}'), "
            "exit_long=bar.bid.close < price(f'{level:.5f}'), size=Units(1000))",
            "result = run_backtest(Above(), bars, cost_book=retail_book('EUR_USD'))",
        ],
        3,
    ),
    "sweep of a rule with a constant taken from all": (
        [
            _RULES + _BACKTEST + "level = float(bars.to_frame()['bid_close'].mean())",
            _LEVEL,
            _SWEPT.format("Above", "{'units': [1000, 2000]}"),
        ],
        3,
    ),
    "search of a rule with a constant taken from all": (
        [
            _RULES + _BACKTEST + "level = float(bars.to_frame()['bid_close'].mean())",
            _LEVEL,
            _SEARCHED.format("Above", "{'units': range(1000, 9000, 500)}"),
        ],
        3,
    ),
    "backtest of the best of a search over all": (
        [
            _RULES + _BACKTEST,
            _CROSS,
            _SEARCHED.format("Cross", "{'fast': range(2, 20), 'slow': range(20, 80, 5)}"),
            "best = run_backtest(Cross(**found.parameters(found.best_number())), bars, "
            "cost_book=retail_book('EUR_USD'))",
        ],
        4,
    ),
    "array by position": (
        ["import numpy as np\ncloses = bars.bid_close.astype(float)", "ahead = np.roll(closes, -1)"],
        2,
    ),
    "columns in a mapping of mappings": (
        [_FRAME, _RETURNS, "features = {'slow': {'z': (returns / returns.std()).to_numpy()}}"],
        3,
    ),
    "attribute of an object": (
        [
            _FRAME,
            "class Features:\n    def __init__(self, close):\n        self.lagged = close.shift(1)\n"
            "        self.ahead = close.shift(-1).to_numpy()",
            "features = Features(close)",
        ],
        3,
    ),
    "field of a dataclass in a list": (
        [
            _FRAME,
            "from dataclasses import dataclass\n@dataclass\nclass Part:\n    name: str\n    values: object",
            "parts = [Part('lagged', close.shift(1)), Part('drawn', close / close.max())]",
        ],
        3,
    ),
    "attribute of a class": (
        [_FRAME, "class Kept:\n    place = close.rank(pct=True).to_numpy()"],
        2,
    ),
    "slot of an object in an object": (
        [
            _FRAME,
            "class Inner:\n    __slots__ = ('smooth',)\nclass Outer:\n    pass",
            "outer = Outer()\nouter.inner = Inner()\n"
            "outer.inner.smooth = close.rolling(11, center=True).mean().to_list()",
        ],
        3,
    ),
    "mapping by times": (
        [_FRAME, "most = close.max()", "drawn = {at: value / most for at, value in close.items()}"],
        3,
    ),
    "mapping of some times in nanoseconds": (
        [
            _FRAME,
            "close_ns, bid = bars.close_ns.tolist(), bars.bid_close.tolist()",
            "buys = {at: 1 for at, now, then in zip(close_ns, bid, bid[1:]) if then > now + 5}",
        ],
        3,
    ),
    "records with a time": (
        [
            _FRAME,
            "high = close.quantile(0.8)",
            "signals = [(at, 'sell') for at, value in close.items() if value > high]",
        ],
        3,
    ),
    "records as long as the bars": (
        [_FRAME, "ahead = [{'now': a, 'next': b} for a, b in zip(close, [*close[1:], None])]"],
        2,
    ),
    "rows of a table that has its times in a column": (
        [
            _FRAME,
            "table = pd.DataFrame({'at': close.index, 'value': close.to_numpy()})",
            "chosen = table[table['value'] > table['value'].median()].reset_index(drop=True)",
        ],
        3,
    ),
    "panel of instruments and times": (
        [
            _FRAME,
            "panel = pd.concat({'EUR': close, 'USD': 1 / close})",
            "scaled = panel / panel.groupby(level=0).transform('std')",
        ],
        3,
    ),
    "a row a feature": (
        [_FRAME, "matrix = np.vstack([close.shift(1), close.shift(-2)])"],
        2,
    ),
    "frame of Polars": (
        [
            _FRAME,
            "import polars as pl\nframe = pl.DataFrame({'close': bars.bid_close})",
            "frame = frame.with_columns(z=pl.col('close') - pl.col('close').mean())",
        ],
        3,
    ),
    "clusters found in all": (
        [
            _FRAME,
            "from sklearn.cluster import KMeans\nx = close.pct_change().fillna(0.0).to_numpy()[:, None]",
            "regimes = KMeans(3, n_init=1, random_state=1).fit(x)",
        ],
        3,
    ),
}

CLEAN: dict[str, list[str]] = {
    "lagged return": [_FRAME, "feature = close.shift(1) / close.shift(2) - 1"],
    "rolling scale": [
        _FRAME,
        "returns = close.pct_change()",
        "z = (returns - returns.rolling(50).mean()) / returns.rolling(50).std()",
    ],
    "growing scale": [_FRAME, "returns = close.pct_change()", "z = returns / returns.expanding(30).std()"],
    "exponential average": [_FRAME, "smooth = close.ewm(span=20, adjust=False).mean()"],
    "filled forwards": [
        _FRAME,
        "thin = close.where(np.arange(len(close)) % 5 == 0)",
        "filled = thin.ffill()",
    ],
    "highest so far": [_FRAME, "drawn = close / close.cummax()"],
    "day's high so far": [_FRAME, "day = close.groupby(close.index.date).cummax()"],
    "longer bars as of their end": [
        _FRAME,
        "from workbench.market import resample\nlonger = resample(bars, 'H4')",
        "known = np.searchsorted(longer.close_ns, bars.close_ns, side='right') - 1\n"
        "slow = np.where(known >= 0, longer.bid_close[np.maximum(known, 0)], np.nan)",
    ],
    "rank in a window": [_FRAME, "place = close.rolling(100).rank(pct=True)"],
    "filter run one way": [
        _FRAME,
        "from scipy.signal import butter, lfilter\nb, a = butter(3, 0.1)\n"
        "smooth = lfilter(b, a, close.to_numpy())",
    ],
    "backtest of rules": [
        _RULES + _BACKTEST,
        "class Cross(Strategy):\n"
        "    fast = Param(5, low=2, high=50)\n"
        "    def rules(self, bar):\n"
        "        f, s = sma(bar.mid.close, self.fast), sma(bar.mid.close, 20)\n"
        "        return Rules(enter_long=crosses_above(f, s), enter_short=crosses_below(f, s), "
        "size=Units(1000))",
        "result = run_backtest(Cross(), bars, cost_book=retail_book('EUR_USD'))\nequity = result.to_frame()",
    ],
    "sweep of rules": [
        _RULES + _BACKTEST,
        _CROSS,
        _SWEPT.format("Cross", "{'fast': [3, 5, 8], 'slow': [20, 40]}"),
    ],
    "search that looks for other points on other data": [
        _RULES + _BACKTEST,
        _CROSS,
        _SEARCHED.format("Cross", "{'fast': range(2, 20), 'slow': range(20, 80, 5)}"),
    ],
    "walk-forward": [
        _RULES + _BACKTEST + "from workbench.research import walk_forward",
        _CROSS,
        "forward = walk_forward(Cross, bars, grid={'fast': [3, 8], 'slow': [20, 40]}, train='2W', test='1W', "
        "cost_book=retail_book('EUR_USD'), progress=False)",
    ],
    "backtest with on_bar": [
        _RULES + _BACKTEST,
        "class ByBar(Strategy):\n"
        "    def on_bar(self, market, account):\n"
        "        closes = market.column('bid_close', 10)\n"
        "        if len(closes) == 10 and closes[-1] > closes.mean() and account.units <= 0:\n"
        "            account.buy(1000)\n"
        "        elif account.units > 0 and closes[-1] < closes.mean():\n"
        "            account.close()",
        "result = run_backtest(ByBar(), bars, cost_book=retail_book('EUR_USD'))",
    ],
    "features of the workbench": [
        "from workbench.ml import feature_table\nfrom workbench.strategy import bar, sma, rsi",
        "table = feature_table({'slow': sma(bar.mid.close, 50), 'rsi': rsi(bar.mid.close, 14)}, bars)",
    ],
    "model fitted on a span of dates": [
        _FRAME,
        "x = np.column_stack([close.pct_change(k).fillna(0.0) for k in (1, 3, 8)])",
        "old = np.arange(len(close)) < 200\n"
        "weights, *_ = np.linalg.lstsq(x[old][:-1], close.diff().shift(-1).to_numpy()[old][:-1], rcond=None)",
        "forecast = x @ weights",
    ],
    "model fitted anew every hundred bars": [
        _FRAME,
        "x = close.pct_change().fillna(0.0).to_numpy()\nforecast = np.zeros(len(x))\n"
        "for start in range(200, len(x), 100):\n"
        "    slope = np.polyfit(x[: start - 1], x[1:start], 1)\n"
        "    forecast[start : start + 100] = np.polyval(slope, x[start : start + 100])",
    ],
    "seeded noise": [
        _FRAME,
        "rng = np.random.default_rng(1)",
        "noisy = close + rng.normal(0, 1e-5, 100_000)[: len(close)]",
    ],
    "noise without a seed": [
        _FRAME,
        "noisy = close + np.random.normal(0, 1e-5, len(close))",
        "smooth = close.rolling(5).mean()",
    ],
    "statistics of all, as single numbers": [
        _FRAME,
        "mean, most = close.mean(), close.max()",
        "returns = close.pct_change()",
    ],
    "hour of the day": [_FRAME, "hour = pd.Series(close.index.hour, index=close.index)"],
    "crossings": [
        _FRAME,
        "f, s = close.rolling(5).mean(), close.rolling(20).mean()",
        "up = (f > s) & (f.shift() <= s.shift())",
    ],
    "attributes of an object and of its class": [
        _FRAME,
        "class Features:\n    raw = close.to_numpy()\n    def __init__(self, close):\n"
        "        self.lagged = close.shift(1)\n        self.smooth = {'five': close.rolling(5).mean()}",
        "features = Features(close)",
    ],
    "mappings by times and records": [
        _FRAME,
        "before = close.shift(1)\nrising = {at: bool(a > b) for at, a, b in zip(close.index, close, before)}",
        "signals = [(at, 'buy') for at, up in rising.items() if up]\n"
        "rows = [{'now': a, 'before': b} for a, b in zip(close, before)]",
    ],
    "the profit of each day that is over, by its date": [
        _FRAME,
        "days = {day: part.iloc[-1] - part.iloc[0] for day, part in close.groupby(close.index.date)}",
    ],
    "trades with their entry and their exit": [
        _FRAME,
        "side = np.sign(close - close.rolling(20).mean()).fillna(0.0)\nturns = side.ne(side.shift())",
        "at = [*close.index[turns], close.index[-1]]\n"
        "trades = [(a, b, float(close[b] - close[a])) for a, b in zip(at, at[1:])]",
    ],
    "frame of Polars, rolling": [
        _FRAME,
        "import polars as pl\nframe = pl.DataFrame({'close': bars.bid_close})",
        "frame = frame.with_columns(z=pl.col('close') - pl.col('close').rolling_mean(20))",
    ],
    "panel of instruments and times, rolling": [
        _FRAME,
        "panel = pd.concat({'EUR': close, 'USD': 1 / close})",
        "scaled = panel.groupby(level=0).transform(lambda part: part / part.rolling(20).std())",
    ],
    "estimator fitted on a span of dates": [
        _FRAME,
        "from sklearn.linear_model import LinearRegression\n"
        "x = close.pct_change().fillna(0.0).to_numpy()[:, None]",
        "model = LinearRegression().fit(x[:200], close.to_numpy()[1:201])\nforecast = model.predict(x)",
    ],
}

TAGGED = [
    ("import numpy as np\nimport pandas as pd\nclose = bars.to_frame()['bid_close']", ()),
    ("y = (close.shift(-5) > close).where(close.shift(-5).notna())", ("labels",)),
    ("x = close.pct_change(5)\nsamples = pd.DataFrame({'x': x, 'y': y}).dropna()", ()),
    ("wrong = x / x.std()", ()),
]
