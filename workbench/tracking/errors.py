"""What can go wrong with runs, trials and models."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = ["AlteredModelError", "NoSuchModelError", "NoSuchRunError", "TrackingStoreError"]


class TrackingStoreError(WorkbenchError):
    """MLflow's store can not be used."""


class NoSuchRunError(BadInputError):
    """No run has that id."""


class NoSuchModelError(BadInputError):
    """No registered model has that name and version."""


class AlteredModelError(WorkbenchError):
    """A model's bytes are not those that were registered."""
