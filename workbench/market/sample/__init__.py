"""The market data that comes with the workbench; where it is from stands in `SOURCE.md` beside it."""

from typing import TYPE_CHECKING, Any

from workbench.market.sample.companions import synthetic_companions
from workbench.market.sample.files import SampleFiles, sample_files

if TYPE_CHECKING:
    from workbench.market.sample.importing import import_sample

__all__ = ["SampleFiles", "import_sample", "sample_files", "synthetic_companions"]


def __getattr__(name: str) -> Any:
    if name != "import_sample":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workbench.market.sample.importing import import_sample  # it brings the database along

    return import_sample
