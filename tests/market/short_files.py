"""What the tests of the formats share: short files of each kind, and what is read out of them."""

from datetime import UTC, datetime
from pathlib import Path

from workbench.domain.calendar import to_ns
from workbench.domain.instruments import instrument
from workbench.market.bars import Bars
from workbench.market.formats import Source
from workbench.market.ticks import Ticks

EUR_USD = instrument("EUR_USD")

TRUEFX = """EUR/USD,20090501 00:00:00.312,1.32262,1.32271
EUR/USD,20090501 00:00:00.312,1.32263,1.32271
EUR/USD,20090501 00:00:01,1.32263,1.3227
"""
HISTDATA_TICKS = """20200102 170000065,1.121200,1.121720,0
20200102 170010447,1.121200,1.121920,0
"""
MT4 = """2017.03.01,00:00,1.05522,1.05529,1.05521,1.05529,12
2017.03.01,00:01,1.05530,1.05531,1.05530,1.05531,7
"""
MT5 = """<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>
2026.03.09\t00:00:00\t1.10000\t1.10010\t1.09990\t1.10005\t25\t0\t12
2026.03.09\t00:01:00\t1.10005\t1.10005\t1.10000\t1.10000\t13\t0\t9
"""
MT5_TICKS = """<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>
2026.03.09\t00:00:00.100\t\t1.10012\t\t\t4
2026.03.09\t00:00:00.200\t1.10000\t\t\t\t2
2026.03.09\t00:00:00.300\t\t1.10013\t\t\t4
2026.03.09\t00:00:00.400\t\t\t1.1\t1\t8
2026.03.09\t00:00:00.500\t1.10001\t1.10014\t\t\t6
"""
LEAN_MINUTE = "0,1.38676,1.38686,1.38669,1.38686,0,1.38686,1.38697,1.3868,1.38697,0\n"
FXCM = """DateTime,BidOpen,BidHigh,BidLow,BidClose,AskOpen,AskHigh,AskLow,AskClose
01/04/2015 22:00:00.000,1.19500,1.19510,1.19490,1.19505,1.19520,1.19530,1.19510,1.19525
01/04/2015 22:01:00.000,1.19505,1.19510,1.19500,1.19501,1.19525,1.19530,1.19520,1.19521
"""
FXCM_TICKS = "DateTime,Bid,Ask\n01/04/2015 22:00:39.587,1.19548,1.19642\n01/04/2015 22:00:40.1,1.195,1.196\n"
TICKS = "time,bid,ask,bid_size,ask_size\n2026-03-02T00:00:00.000000001Z,1.1,1.10013,1000000,0\n"


def write_file(folder: Path, text: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def ns_of(*parts: int, ns: int = 0) -> int:
    return to_ns(datetime(*parts, tzinfo=UTC)) + ns  # type: ignore[misc,arg-type]


def ticks_of(source: Source) -> Ticks:
    (found,) = source.batches()
    assert isinstance(found, Ticks)
    return found


def bars_of(source: Source) -> Bars:
    (found,) = source.batches()
    assert isinstance(found, Bars)
    return found


def rows_of(ticks: Ticks) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in ticks.columns().values()), strict=True))
