"""The market data that comes with the workbench; where it is from stands in `SOURCE.md` beside it."""

from workbench.market.sample.companions import synthetic_companions
from workbench.market.sample.files import SampleFiles, sample_files
from workbench.market.sample.importing import import_sample

__all__ = ["SampleFiles", "import_sample", "sample_files", "synthetic_companions"]
