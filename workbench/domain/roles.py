"""Who may do what: roles and verbs. Asked wherever a verb enters, by the process that carries it out."""

from enum import StrEnum

__all__ = ["VERBS", "Role", "allowed"]


class Role(StrEnum):
    """What a person is here."""

    VIEWER = "viewer"
    RESEARCHER = "researcher"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


_EVERYBODY = frozenset(Role)
_RESEARCH = frozenset({Role.RESEARCHER, Role.APPROVER, Role.ADMIN})
_OPERATE = frozenset({Role.OPERATOR, Role.APPROVER, Role.ADMIN})
_APPROVE = frozenset({Role.APPROVER, Role.ADMIN})

VERBS: dict[str, frozenset[Role]] = {
    "status": _EVERYBODY,
    "fills": _EVERYBODY,
    "equity": _EVERYBODY,
    "orders": _EVERYBODY,
    "decisions": _EVERYBODY,
    "logs": _EVERYBODY,
    "verify": _EVERYBODY,
    "controls": _EVERYBODY,
    "backtest": _RESEARCH,
    "promote": _RESEARCH,
    "schedule": _RESEARCH,
    "stop": _OPERATE,
    "kill": _OPERATE,
    "resume": _APPROVE,
    "unkill": _APPROVE,
    "approve": _APPROVE,
    "deploy": _APPROVE,
    "start": _APPROVE,
    "open": _APPROVE,
    "close": _OPERATE,
    "adopt": _APPROVE,
    "resolve": _APPROVE,
    "limits": _APPROVE,
    "override": _APPROVE,
    "shutdown": frozenset({Role.ADMIN}),
}


def allowed(role: str, verb: str) -> bool:
    """Whether `role` may use `verb`; an unknown role or verb may not."""
    return role in {item.value for item in VERBS.get(verb, frozenset())}
