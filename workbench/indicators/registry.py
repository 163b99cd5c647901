"""All indicators by name: whatever the files of `workbench.indicators.library` declare."""

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType

from workbench.errors import BadInputError
from workbench.indicators import library
from workbench.indicators.declaring import Indicator

__all__ = ["indicator", "indicators"]


@cache
def indicators() -> MappingProxyType[str, Indicator]:
    """Every indicator by its name, in the order of the names."""
    found: dict[str, Indicator] = {}
    for file in pkgutil.iter_modules(library.__path__):
        module = importlib.import_module(f"{library.__name__}.{file.name}")
        for item in vars(module).values():
            if isinstance(item, Indicator) and found.setdefault(item.name, item) is not item:
                raise ValueError(f"{item.name}: declared twice, again in {module.__name__}")
    return MappingProxyType(dict(sorted(found.items())))


def indicator(name: str) -> Indicator:
    """The indicator of this name.

    Raises
    ------
    BadInputError
        There is none.
    """
    try:
        return indicators()[name]
    except KeyError:
        raise BadInputError(f"unknown indicator {name!r}; known: {', '.join(indicators())}") from None
