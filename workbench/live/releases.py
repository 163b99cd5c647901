"""A release as the live room needs it, checked byte by byte each time it is loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.domain.accounts import AccountRules
from workbench.domain.allowance import Allowance
from workbench.domain.limits import Limits
from workbench.settings import Settings

__all__ = ["LoadRelease", "ReleasedNotebook", "pinned_bars", "released_notebooks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedNotebook:
    """A release whose bytes and signature were checked just now."""

    id: str
    name: str
    approved: bool
    notebook: Path
    parameters: Mapping[str, Any]
    spec_digest: str
    instruments: tuple[str, ...]
    timeframe: str
    fingerprints: Mapping[str, str]  # of the pinned bars, by instrument
    cost_book: Mapping[str, Any]  # one, or dated ones: `workbench.domain.cost_history.costs_from_json`
    limits: Limits
    account: AccountRules = field(default_factory=AccountRules)  # how that of its backtest was kept
    currency: str = ""  # of that account; empty where it was not written down
    others: tuple[str, ...] = ()  # instruments that it does not trade: to look at, and to convert by
    sizes: bool = False  # whether its orders took no more than the sizes recorded with ticks
    allowance: Allowance = field(default_factory=Allowance)  # what its strategy may take while it trades

    @property
    def quoted(self) -> tuple[str, ...]:
        """All instruments whose prices it needs, the traded first."""
        return (*self.instruments, *self.others)


LoadRelease = Callable[[str], ReleasedNotebook]
"""Reads a release by id and checks every byte of it, or raises a `WorkbenchError` with the reason."""


def pinned_bars(release: ReleasedNotebook) -> dict[str, Any]:
    """The release's pinned bars as a replay names them."""
    first, *others = release.quoted
    pinned: dict[str, Any] = {"fingerprint": release.fingerprints[first]}
    if others:
        pinned["fingerprints"] = {name: release.fingerprints[name] for name in release.quoted}
    return pinned


def released_notebooks(settings: Settings) -> LoadRelease:
    """The releases of this home."""
    from workbench.release.approvals import is_approved  # live kernels never load the promotion's packages
    from workbench.release.releases import load_release

    def load(release_id: str) -> ReleasedNotebook:
        release = load_release(release_id, settings=settings)
        return ReleasedNotebook(
            id=release.id,
            name=release.name,
            approved=is_approved(release.id, settings=settings),
            notebook=release.notebook,
            parameters=release.parameters,
            spec_digest=release.spec_digest,
            instruments=release.instruments,
            timeframe=release.timeframe,
            fingerprints=release.fingerprints,
            cost_book=release.cost_book.to_json(),
            limits=release.limits,
            account=release.account,
            currency=release.currency,
            others=release.others,
            sizes=release.sizes,
            allowance=release.allowance,
        )

    return load
