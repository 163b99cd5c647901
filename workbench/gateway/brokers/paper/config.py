"""What a paper account is made of."""

from dataclasses import dataclass

from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument

__all__ = ["PaperConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """One paper account."""

    instruments: tuple[Instrument, ...]
    cost_book: CostBook
    currency: str
    balance: int  # micro-units at the start
