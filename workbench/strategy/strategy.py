"""How a strategy is written, and what identifies it."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.errors import BadInputError
from workbench.strategy.causal import CausalFunction, source_of
from workbench.strategy.expressions import BarExpr, Model, bar
from workbench.strategy.parameters import Param, check_declared, check_name
from workbench.strategy.reads import reads_of
from workbench.strategy.rules import Rules
from workbench.strategy.rules_json import rules_format, rules_from_json, rules_to_json

if TYPE_CHECKING:
    from workbench.strategy.views import AccountView, MarketView

__all__ = ["RulesStrategy", "Strategy", "spec", "strategy_from_spec"]

SPEC_FORMATS = (1, 2)


class Strategy:
    """A trading strategy: subclass it, declare `Param`s, write `rules`, or `on_bar`, or `on_tick`.

    Raises
    ------
    BadInputError
        An unknown parameter, one out of range or of the wrong type, or a name that is no identifier.
    """

    parameters: ClassVar[Mapping[str, Param[Any]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        found: dict[str, Param[Any]] = {}
        for owner in reversed(cls.__mro__):
            for name, value in vars(owner).items():
                if isinstance(value, Param):
                    found[name] = value
                else:
                    found.pop(name, None)
        for name in found:
            check_declared(cls.__name__, name)
        cls.parameters = found

    def __init__(self, **params: Any) -> None:
        known = type(self).parameters
        values = {name: item.default for name, item in known.items()}
        for name, value in params.items():
            if check_name(name) not in known:
                raise BadInputError(
                    f"{self.name}: unknown parameter {name!r}; it has {', '.join(known) or 'none'}"
                )
            values[name] = known[name].check(value)
        self._values = values
        self._traced: Rules | None = None

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.params.items())})"

    def _repr_html_(self) -> str:
        from workbench.strategy.picture import to_svg

        head = f"<p><b>{escape(repr(self))}</b></p>"
        return head + to_svg(self.traced(), title=self.name) if self.form == "rules" else head

    @property
    def name(self) -> str:
        """The class's name."""
        return type(self).__name__

    @property
    def params(self) -> dict[str, Any]:
        """The value of every parameter."""
        return dict(self._values)

    def rules(self, bar: BarExpr) -> Rules:
        """Override to trade by rules: say with expressions of `bar` when to enter, leave and stop."""
        raise NotImplementedError

    def on_bar(self, market: "MarketView", account: "AccountView") -> None:
        """Override to decide in Python at the close of every bar; orders go through `account`."""
        raise NotImplementedError

    def on_tick(self, market: "MarketView", account: "AccountView") -> None:
        """Override to decide at every quote; `on_bar` beside it is asked at the close of every bar."""
        raise NotImplementedError

    @property
    def form(self) -> str:
        """Which way it is written: "rules", "on_bar" or "on_tick" (with or without on_bar).

        Raises
        ------
        BadInputError
            None is overridden, or rules and another one, or one with ``yield`` or ``async``.
        """
        by_rules = type(self).rules is not Strategy.rules
        by_bar = type(self).on_bar is not Strategy.on_bar
        by_tick = type(self).on_tick is not Strategy.on_tick
        if by_rules == (by_bar or by_tick):
            found = "both" if by_rules else "neither"
            raise BadInputError(
                f"{self.name}: expected either rules(self, bar), or on_bar(...) or on_tick(...), "
                f"found {found}"
            )
        for asked in (type(self).on_bar, type(self).on_tick):
            if inspect.isgeneratorfunction(asked) or inspect.iscoroutinefunction(asked):
                raise BadInputError(
                    f"{self.name}.{asked.__name__}: expected a plain function, found one with yield or "
                    "async, which would never run; place orders by account.buy(...) and the like"
                )
        return "rules" if by_rules else "on_tick" if by_tick else "on_bar"

    def traced(self) -> Rules:
        """The rules as expressions, traced once.

        Raises
        ------
        BadInputError
            It has no rules, or they are not a `Rules`.
        """
        if self._traced is None:
            if self.form != "rules":
                raise BadInputError(f"{self.name} is written with {self.form} and has no rules")
            found: object = self.rules(bar)
            if not isinstance(found, Rules):
                raise BadInputError(f"{self.name}.rules: expected Rules(...) to be returned, found {found!r}")
            self._traced = found
        return self._traced

    def fresh(self) -> "Strategy":
        """The same strategy without anything it has remembered."""
        return type(self)(**self.params)


class RulesStrategy(Strategy):
    """A strategy given by its rules, as a form or a stored spec has them."""

    def __init__(self, name: str, rules: Rules, *, params: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._name = check_name(name)
        self._rules = rules
        self._values = dict(params or {})

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    def rules(self, bar: BarExpr) -> Rules:
        """The rules it was given."""
        return self._rules

    def fresh(self) -> "RulesStrategy":
        """The same strategy."""
        return RulesStrategy(self._name, self._rules, params=self._values)


def spec(strategy: Strategy) -> dict[str, Any]:
    """What identifies a strategy, as a plain value: class, parameters, rules, digest.

    Of an `on_bar` or `on_tick` strategy the hash of its source stands for the rules, and that of all it reads
    by name besides: constants, helpers and models of the notebook or of the user's own modules.

    Raises
    ------
    BadInputError
        The source of an on_bar strategy can not be found.
    """
    value: dict[str, Any] = {
        "format": rules_format(strategy.traced()) if strategy.form == "rules" else 1,
        "class": strategy.name,
        "params": strategy.params,
        "form": strategy.form,
    }
    if strategy.form == "rules":
        value["rules"] = rules_to_json(strategy.traced())
    else:
        value["source_sha256"] = _source_sha256(type(strategy))  # type: ignore[arg-type]  # a class is hashable
        value["reads_sha256"] = reads_of(*_own_classes(type(strategy)))
    return {**value, "digest": _digest(value)}


def strategy_from_spec(
    value: Mapping[str, Any],
    *,
    models: Mapping[str, Model] | None = None,
    functions: Mapping[str, CausalFunction] | None = None,
) -> Strategy:
    """The rules strategy that a spec describes.

    Raises
    ------
    BadInputError
        Not a spec of rules, of another format, or changed since its digest was made.
    """
    if value.get("format") not in SPEC_FORMATS or "rules" not in value:
        raise BadInputError(
            f"expected a strategy spec of format {' or '.join(map(str, SPEC_FORMATS))} with rules, "
            f"found format {value.get('format')!r} with {', '.join(sorted(map(str, value))) or 'nothing'}"
        )
    content = {name: item for name, item in value.items() if name != "digest"}
    if "digest" in value and value["digest"] != _digest(content):
        raise BadInputError(f"strategy spec {value.get('class')!r} does not match its digest; it was changed")
    rules = rules_from_json(value["rules"], models=models, functions=functions)
    return RulesStrategy(str(value.get("class")), rules, params=value.get("params", {}))


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)  # to find a source Python parses the whole file
def _source_sha256(cls: type) -> str:
    """Hash of the source of the class and of those between it and `Strategy`."""
    content = hashlib.sha256()
    for owner in _own_classes(cls):
        content.update(source_of(owner).encode())
    return content.hexdigest()


def _own_classes(cls: type) -> tuple[type, ...]:
    """The class and those between it and `Strategy`."""
    return cls.__mro__[: cls.__mro__.index(Strategy)]
