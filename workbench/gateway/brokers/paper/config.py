"""What a paper account is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument

__all__ = ["PaperConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """One paper account."""

    instruments: tuple[Instrument, ...]
    cost_book: CostBook | Sequence[CostBook]  # or several dated ones
    currency: str
    balance: int  # micro-units at the start
    rules: AccountRules = field(default_factory=AccountRules)
    quoted: tuple[Instrument, ...] = ()  # not traded: to convert to `currency` by
