"""Releases as the server shows them, and what is decided about them."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from workbench.errors import BadInputError
from workbench.live import deploy, list_accounts, released_notebooks
from workbench.live.feeds import chosen_feed
from workbench.release import GATES, ApprovalState, Evidence, approval_state, approve, load_release, refuse
from workbench.server.bodies import DeployBody, FeedBody
from workbench.server.rendering import millis
from workbench.server.roles import Person
from workbench.settings import Settings
from workbench.store import open_store

__all__ = ["GATE_TITLES", "ReleaseRoom", "release_json"]

GATE_TITLES = tuple({"name": name, "title": title} for name, title in GATES.items())


class ReleaseRoom:
    """The releases of this home; every read checks their bytes and signatures."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, release_id: str) -> Mapping[str, Any]:
        """Limits, parameters and files of a release whose every byte was checked just now."""
        release = load_release(release_id, settings=self._settings)
        return {
            "limits": release.limits.to_json(),
            "parameters": release.parameters,
            "files": release.files,
        }

    def approval(self, release_id: str) -> str:
        """waiting, approved or refused; a decision whose signature does not hold refuses."""
        state: ApprovalState = approval_state(release_id, settings=self._settings)
        return state.value

    def decide(self, release_id: str, *, approver: str, role: str, approved: bool, reason: str) -> None:
        """Write an approval or a refusal down."""
        decision = approve if approved else refuse
        decision(release_id, settings=self._settings, approver=approver, reason=reason, role=role)

    def deploy(self, body: DeployBody, *, by: Person) -> str:
        """Put an approved release on an account; the deployment's id."""
        engine = open_store(self._settings.store_url)
        try:
            return deploy(
                engine,
                released_notebooks(self._settings),
                release_id=body.release_id,
                account_id=body.account_id,
                feed=self._feed(engine, body),
                by=by.user,
                limits=body.parsed_limits(),
            )
        finally:
            engine.dispose()

    def _feed(self, engine: sa.Engine, body: DeployBody) -> dict[str, Any]:
        """What was asked for; else the account's own feed, or a replay of pinned bars on a paper account."""
        account = next((item for item in list_accounts(engine) if item.id == body.account_id), None)
        own = dict(account.settings) if account is not None else {}
        if own.get("kind") and body.feed is None:
            return own
        if account is not None and account.broker != "paper" and body.feed is None:
            raise BadInputError(
                f"account {account.id}: expected a stream of quotes, found no feed; past prices are replayed "
                "on paper accounts alone"
            )
        asked = body.feed or FeedBody(kind="bars")
        return chosen_feed(engine, released_notebooks(self._settings)(body.release_id), **asked.model_dump())


def release_json(
    row: Mapping[str, Any], approvals: Sequence[Mapping[str, Any]], *, approval: str
) -> dict[str, Any]:
    """One release with its gates and its approvals."""
    manifest = row["manifest"]
    return {
        **{name: row[name] for name in ("id", "name", "run_id", "author")},
        "created": millis(row["created_ns"]),
        "approval": approval,
        "approvals": [
            {
                **{name: item[name] for name in ("approver", "decision", "reason")},
                "at": millis(item["created_ns"]),
            }
            for item in approvals
        ],
        "gates": [_gate_json(Evidence.from_json(item)) for item in manifest["evidence"]],
        "strategy": manifest["strategy"]["name"],
        "instruments": list(manifest["instruments"]),
        "timeframe": manifest["timeframe"],
    }


def _gate_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "name": evidence.name,
        "title": evidence.title,
        "state": "passed" if evidence.passed else "refused",
        "detail": evidence.summary,
    }
