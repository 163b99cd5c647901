"""Where the shipped files are."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SampleFiles", "sample_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFiles:
    """Paths of the shipped files, and what an import of the bars needs to be told."""

    eurusd_h1_2017: Path  # EUR/USD, hourly ask bars of 2017
    ecb_rates: Path  # the European Central Bank's euro reference rates since 1999
    source: Path  # origin, licence, hashes
    instrument: str = "EUR_USD"
    timeframe: str = "H1"
    timezone: str = "UTC"
    side: str = "ask"


def sample_files() -> SampleFiles:
    """The shipped sample."""
    folder = Path(__file__).parent
    return SampleFiles(
        eurusd_h1_2017=folder / "eurusd_h1_2017_ask.csv.gz",
        ecb_rates=folder / "eurofxref-hist.zip",
        source=folder / "SOURCE.md",
    )
