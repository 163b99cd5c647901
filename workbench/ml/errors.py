"""What can go wrong in learning."""

from workbench.errors import WorkbenchError

__all__ = ["ConversionError", "ModelFileError", "NotEnoughDataError"]


class NotEnoughDataError(WorkbenchError):
    """Too few samples for what was asked."""


class ConversionError(WorkbenchError):
    """A converted model does not decide as its source does."""


class ModelFileError(WorkbenchError):
    """A model's file is missing, altered, or not what it says."""
