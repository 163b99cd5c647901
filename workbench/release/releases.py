"""Releases as values: kept in the store and in bundles, read only after every byte was checked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountRules
from workbench.domain.allowance import Allowance
from workbench.domain.cost_history import Costs, costs_from_json
from workbench.domain.limits import Limits
from workbench.release.bundle import MANIFEST, NOTEBOOK, read_bundle
from workbench.release.card import release_card
from workbench.release.errors import ReleaseNotFoundError, TamperedReleaseError
from workbench.release.evidence import Evidence
from workbench.release.keys import signing_key
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import releases

__all__ = ["Release", "find_release_id", "list_releases", "load_release", "register_release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An immutable release.

    `list_releases` gives releases as the store tells of them; `load_release` checks every byte first.
    """

    id: str
    signature: str
    manifest: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """The notebook's name."""
        return str(self.manifest["name"])

    @property
    def run_id(self) -> str:
        """The MLflow run that was promoted."""
        return str(self.manifest["run_id"])

    @property
    def author(self) -> str:
        """Who promoted it."""
        return str(self.manifest["author"])

    @property
    def created_ns(self) -> int:
        """When, nanoseconds UTC."""
        return int(self.manifest["created_ns"])

    @property
    def notebook(self) -> Path:
        """The released notebook: code cells without outputs."""
        return self.folder / NOTEBOOK

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters the notebook runs with."""
        return dict(self.manifest["parameters"])

    @property
    def spec(self) -> dict[str, Any]:
        """The strategy's canonical description."""
        return dict(self.manifest["strategy"]["spec"])

    @property
    def spec_digest(self) -> str:
        """SHA-256 of the strategy's description."""
        return str(self.manifest["strategy"]["digest"])

    @property
    def instruments(self) -> tuple[str, ...]:
        """The instruments it may trade."""
        return tuple(self.manifest["instruments"])

    @property
    def timeframe(self) -> str:
        """The length of the bars it decides on."""
        return str(self.manifest["timeframe"])

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of the pinned bars by instrument, of the release's own timeframe."""
        suffix = f" {self.timeframe}"
        return {
            name.removesuffix(suffix): fingerprint
            for name, fingerprint in self.manifest["data"].items()
            if name.endswith(suffix)
        }

    @property
    def cost_book(self) -> Costs:
        """The costs it was tested with: one book, or several dated ones."""
        return costs_from_json(self.manifest["cost_book"])

    @property
    def account(self) -> AccountRules:
        """How the account was kept that it was tested on."""
        return msgspec.convert(self.manifest.get("account", {}), AccountRules)

    @property
    def currency(self) -> str:
        """The currency of the account that it was tested on; empty where that was not written down."""
        return str(self.manifest.get("currency", ""))

    @property
    def others(self) -> tuple[str, ...]:
        """Instruments that it does not trade: to look at, and to convert by."""
        return tuple(self.manifest.get("others", ()))

    @property
    def sizes(self) -> bool:
        """Whether its orders took no more than the sizes recorded with ticks."""
        return bool(self.manifest.get("sizes", False))

    @property
    def allowance(self) -> Allowance:
        """The time for a decision and the memory that its strategy may take while it trades."""
        return Allowance.from_json(self.manifest.get("allowance", {}))

    @property
    def limits(self) -> Limits:
        """What a deployment of it may do."""
        return Limits.from_json(self.manifest["limits"])

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What the gates found, in their order."""
        return tuple(Evidence.from_json(item) for item in self.manifest["evidence"])

    @property
    def idea(self) -> str:
        """The idea's uuid, which a copied notebook keeps."""
        return str(self.manifest["idea"])

    @property
    def trials(self) -> int:
        """How many variants of the idea had been tested by then."""
        return int(self.manifest["trials"])

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of each file in the bundle."""
        return {name: str(entry["sha256"]) for name, entry in self.manifest["files"].items()}

    def __str__(self) -> str:
        lines = [f"release {self.id[:12]} {self.name} by {self.author}, {self.trials} trials of the idea"]
        lines += [f"  {'✓' if item.passed else '✗'} {item.title}: {item.summary}" for item in self.evidence]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return release_card(self)


def load_release(release_id: str, *, settings: Settings) -> Release:
    """The release, after every byte of its bundle, its signature and its row in the store were checked.

    Raises
    ------
    ReleaseNotFoundError
        There is no such release.
    TamperedReleaseError
        Something is not what was signed; the message names the file.
    """
    key = signing_key(settings.keys_dir, "release")
    manifest, signature = read_bundle(settings.releases_dir, release_id, key=key)
    row = next(iter(_rows(settings, releases.c.id == release_id)), None)
    if row is None:
        raise ReleaseNotFoundError(
            f"release {release_id[:12]} has a bundle but no row in the store, so it was never completed; "
            "promote the run again"
        )
    if row["manifest"] != manifest or row["signature"] != signature:
        raise TamperedReleaseError(
            f"release {release_id[:12]}: its row in the store is not what the bundle's {MANIFEST} says; "
            "do not use this release, promote the run again",
            file=MANIFEST,
        )
    return Release(
        id=release_id, signature=signature, manifest=manifest, folder=settings.releases_dir / release_id
    )


def list_releases(settings: Settings) -> list[Release]:
    """Every release, newest first, as the store tells of it; `load_release` checks one."""
    return [
        Release(
            id=row["id"],
            signature=row["signature"],
            manifest=row["manifest"],
            folder=settings.releases_dir / row["id"],
        )
        for row in _rows(settings, sa.true())
    ]


def find_release_id(beginning: str, *, settings: Settings) -> str:
    """The id of the one release whose id begins so, as people type it.

    Raises
    ------
    ReleaseNotFoundError
        None begins so, or several do.
    """
    condition = releases.c.id.startswith(beginning, autoescape=True)
    found = [str(row["id"]) for row in _rows(settings, condition)] if beginning else []
    if len(found) == 1:
        return found[0]
    what = f"{len(found)}: {', '.join(item[:16] for item in found)}" if found else "none"
    raise ReleaseNotFoundError(f"expected one release whose id begins with {beginning!r}, found {what}")


def register_release(release: Release, *, settings: Settings) -> None:
    """Enter a release into the store, once its bundle is in place."""
    with the_store(settings) as engine, engine.begin() as connection:
        connection.execute(
            releases.insert().values(
                id=release.id,
                name=release.name,
                run_id=release.run_id,
                author=release.author,
                manifest=json.loads(json.dumps(release.manifest)),
                signature=release.signature,
                created_ns=release.created_ns,
            )
        )


@contextmanager
def the_store(settings: Settings) -> Iterator[sa.Engine]:
    """The store for the length of a `with` block."""
    engine = open_store(settings.store_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _rows(settings: Settings, condition: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    query = sa.select(releases).where(condition).order_by(releases.c.created_ns.desc(), releases.c.id)
    with the_store(settings) as engine, engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
