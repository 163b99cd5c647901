"""What can be wrong with market data."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = [
    "AmbiguousFormatError",
    "ArchiveTooLargeError",
    "BadBarsError",
    "BadTicksError",
    "BusyStoreError",
    "ChangedWhileReadError",
    "ConflictingDataError",
    "CostBookNeededError",
    "DamagedDatasetError",
    "DuplicateBarsError",
    "EmptyFileError",
    "IncompatibleTimeframesError",
    "MalformedLineError",
    "MissingDataError",
    "SideNotStatedError",
    "TimeRunsBackError",
    "TimeZoneNotStatedError",
    "TruncatedFileError",
    "UnknownFormatError",
    "WrongTimeZoneError",
]


class UnknownFormatError(BadInputError):
    """The file has none of the known layouts."""


class AmbiguousFormatError(UnknownFormatError):
    """The file fits several layouts; the message names them."""


class TruncatedFileError(UnknownFormatError):
    """The file ends before its content does."""


class ArchiveTooLargeError(BadInputError):
    """A packed file holds more than a packed file of quotes can."""


class ChangedWhileReadError(BadInputError):
    """Somebody wrote to the file while it was read."""


class EmptyFileError(BadInputError):
    """The file holds no bar."""


class MalformedLineError(BadInputError):
    """A line of a file can not be read; the fields say which."""

    def __init__(self, message: str, *, line: int, content: str) -> None:
        super().__init__(message)
        self.line = line
        self.content = content


class TimeZoneNotStatedError(BadInputError):
    """The file's times have no zone and none was given."""


class WrongTimeZoneError(BadInputError):
    """With the zone given, the market's weeks do not open when they do."""


class SideNotStatedError(BadInputError):
    """The file has one price a bar and does not say whether it is bid, ask or mid."""


class CostBookNeededError(BadInputError):
    """The file has one side and no cost book was given to model the other."""


class DuplicateBarsError(BadInputError):
    """Two bars of a file have the same time."""


class BadBarsError(BadInputError):
    """Bars that no market can have made: out of order, high below low, off the grid."""


class BadTicksError(BadInputError):
    """Quotes that no market can have made: times running back, a price of nothing."""


class IncompatibleTimeframesError(BadInputError):
    """Bars of one timeframe do not fit into bars of the other."""


class MissingDataError(WorkbenchError):
    """The store holds no such bars."""


class DamagedDatasetError(WorkbenchError):
    """A dataset's file is gone or its content is no longer what its fingerprint says."""


class ConflictingDataError(BadInputError):
    """Data to be added to a dataset differ from what it has for the same time."""


class TimeRunsBackError(BadInputError):
    """Quotes or bars of a stream are not in time order."""


class BusyStoreError(WorkbenchError):
    """Other processes add versions of the same dataset all the time."""
