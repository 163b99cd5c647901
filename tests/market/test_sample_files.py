"""What is shipped is what SOURCE.md says it is."""

import gzip
import hashlib
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.market import check_bars, ecb_rate, sample_files
from workbench.market.checks import weekly_opens
from workbench.market.errors import MissingDataError
from workbench.market.importing import bars_from_file
from workbench.market.new_york import local_ns


def _sample(cost_book: CostBook):  # type: ignore[no-untyped-def]
    sample = sample_files()
    return bars_from_file(
        sample.eurusd_h1_2017, instrument(sample.instrument), timezone=sample.timezone, cost_book=cost_book
    )


def test_the_files_are_the_ones_whose_hashes_are_stated() -> None:
    sample = sample_files()
    stated = sample.source.read_text(encoding="utf-8")
    for path in (sample.eurusd_h1_2017, sample.ecb_rates):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in stated
    assert hashlib.sha256(gzip.decompress(sample.eurusd_h1_2017.read_bytes())).hexdigest() in stated


def test_licences_are_shipped_beside_the_data() -> None:
    folder = sample_files().source.parent
    assert "MIT License" in (folder / "LICENSE.gym-anytrading").read_text()
    assert "Apache License" in (folder / "LICENSE.CurrencyConverter").read_text()


def test_in_utc_every_week_opens_at_17_new_york_but_christmas(cost_book: CostBook) -> None:
    bars = _sample(cost_book)
    opens = [
        np.datetime64(int(item), "ns").astype(datetime)
        for item in weekly_opens(bars.open_ns) // 1_000 * 1_000
    ]
    hours = Counter(int(item // 3_600_000_000_000 % 24) for item in weekly_opens(bars.open_ns))
    assert len(opens) == 51
    assert hours == {17: 50, 18: 1}
    pauses = np.flatnonzero(np.diff(bars.open_ns) > 24 * 3_600 * 10**9)
    assert set((local_ns(bars.open_ns[pauses]) // 3_600_000_000_000 % 24).tolist()) == {16}


def test_only_christmas_is_missing_from_the_sample(cost_book: CostBook) -> None:
    bars = _sample(cost_book)
    report = check_bars(bars)
    assert len(bars) == 6_225
    assert report.ok
    assert {item.name: item.count for item in report.findings if item.severity != "ok"} == {
        "week openings": 1,
        "holidays": 15,
    }


def test_the_first_bar_is_the_files(cost_book: CostBook) -> None:
    bar = _sample(cost_book).bar(0)
    assert (bar.ask_open, bar.ask_high, bar.ask_low, bar.ask_close) == (105_236, 105_253, 105_221, 105_227)


@pytest.mark.parametrize(
    ("currency", "session", "rate"),
    [  # the first rate, and the lowest and the highest of the dollar, as the bank's page on it has them
        ("USD", date(1999, 1, 4), "1.1789"),
        ("USD", date(2000, 10, 26), "0.8252"),
        ("USD", date(2008, 7, 15), "1.5990"),
        ("USD", date(2017, 12, 29), "1.1993"),
        ("EUR", date(2017, 12, 29), "1"),
    ],
)
def test_reference_rates_are_the_banks(currency: str, session: date, rate: str) -> None:
    assert ecb_rate(currency, session) == Decimal(rate)


def test_a_day_without_a_rate_has_the_one_before_it() -> None:
    assert ecb_rate("USD", date(2017, 12, 31)) == ecb_rate("USD", date(2017, 12, 29))
    assert ecb_rate("USD", date(2018, 4, 2)) == ecb_rate("USD", date(2018, 3, 29))  # Easter Monday


def test_no_rate_is_made_up() -> None:
    with pytest.raises(
        MissingDataError, match="no reference rate for USD on 1998-12-31; there are rates from 1999-01-04"
    ):
        ecb_rate("USD", date(1998, 12, 31))
    with pytest.raises(MissingDataError, match="no reference rate for EEK on 2015-01-05"):
        ecb_rate("EEK", date(2015, 1, 5))  # Estonia had the euro by then
    with pytest.raises(BadInputError, match="no reference rate for 'XAU'"):
        ecb_rate("XAU", date(2017, 1, 2))


def test_rates_agree_with_the_sample_within_half_a_percent(cost_book: CostBook) -> None:
    """The bank fixes at 14:15 Central European Time: 13:15 UTC in winter, 12:15 in summer."""
    bars = _sample(cost_book)
    compared = 0
    for session in (date(2017, month, 15) for month in range(1, 13)):
        fixing = np.datetime64(f"{session}T{12 if 4 <= session.month <= 10 else 13}:00", "ns").astype(
            np.int64
        )
        found = bars.between(int(fixing), int(fixing) + 1)
        if len(found):
            rate = int(ecb_rate("USD", session).scaleb(5))
            assert abs(rate - int(found.ask_open[0])) < 0.005 * rate
            compared += 1
    assert compared >= 7


def test_the_sample_is_part_of_the_wheel() -> None:
    package = Path(__file__).parents[2] / "workbench"
    assert sample_files().source.is_relative_to(package)
