"""Orders of another gateway on an account elsewhere: two homes must never trade one account.

A gateway's lock and lease keep a second one from its home and its store; from an account at a broker only the
broker's own record can tell. An order whose client id has the form that the workbench gives, and that no
intent in this store has, was placed by another gateway.
"""

import re
from collections.abc import Iterable

import sqlalchemy as sa

from workbench.domain.orders import ClientOrderId
from workbench.gateway.controls import GATEWAY_PREFIX
from workbench.gateway.evidence import Evidence
from workbench.store.schema import intents

__all__ = ["has_our_form", "tell_strangers"]

_FORM = re.compile(rf"(?:{GATEWAY_PREFIX})?[0-9a-f]{{12}}-[0-9]+(?:-t?[0-9]+)*")
_STORED = sa.select(intents.c.deployment_id).where(intents.c.client_order_id == sa.bindparam("id"))


def has_our_form(name: str) -> bool:
    """Whether a client id is one that a strategy's order or a gateway's own would get."""
    return _FORM.fullmatch(name) is not None


def tell_strangers(evidence: Evidence, names: Iterable[ClientOrderId]) -> None:
    """Freeze every instrument of the deployment, and tell people, for each order of another gateway, once."""
    standing, trading = evidence.standing, evidence.trading
    for name in dict.fromkeys(names):
        if name in standing.orders or name in standing.strangers or not has_our_form(name):
            continue
        if evidence.change.execute(_STORED, {"id": name}).first() is not None:
            continue  # ended, or of another deployment that had the account before
        standing.strangers.add(name)
        evidence.change.record(
            "account.shared", deployment_id=trading.spec.deployment_id, client_order_id=name
        )
        reason = (
            f"order {name} on the account is of a workbench and not in this gateway's store: another gateway "
            "trades on it, or the store was put back to an older copy; stop the other one or take another "
            "account, then look at the broker's screen and adopt"
        )
        for record in trading.spec.records:
            evidence.freeze(record.id, reason, event="account shared")
