"""The gates: each looks at one thing and says what it found; none of them runs anything."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import zip_longest
from typing import Any

from workbench.domain.allowance import Allowance
from workbench.domain.calendar import to_datetime
from workbench.domain.limits import Limits
from workbench.errors import WorkbenchError
from workbench.notebook import CellResult, Notebook, check_notebook, first_line, validate_parameters
from workbench.release.evidence import Evidence
from workbench.release.secrets import find_secrets

__all__ = [
    "Difference",
    "candidate_gate",
    "causality_gate",
    "code_gate",
    "complete_gate",
    "dry_start_gate",
    "first_decision_that_differs",
    "first_difference",
    "limits_gate",
    "moments_to_try",
    "reproduction_gate",
]

_SHOWN = 160  # characters of a value in a message


def complete_gate(executed: Notebook, *, parameters: Mapping[str, Any], saved: Notebook | None) -> Evidence:
    """One parameters cell, `deploy` last, every cell ran without an error in order, no secret, and the saved
    notebook is still the one that ran.

    Parameters
    ----------
    saved
        The notebook's file as it is now; None when it is not there any more.
    """
    try:
        check_notebook(executed)
        validate_parameters(executed, parameters)
    except WorkbenchError as error:
        return _refused("complete", str(error))
    if suspicions := find_secrets(executed.node):
        first = suspicions[0]
        return _refused(
            "complete",
            f"cell {first.cell} of all cells, line {first.line}, holds what looks like {first.what}; "
            "take it out of the notebook, change it where it is used, and run again",
            suspicions=[[item.cell, item.line, item.what] for item in suspicions],
        )
    if saved is not None and (changed := _changed_cell(executed, saved)):
        return _refused("complete", changed)
    words = "its parameters cell, deploy in its last cell, nothing that looks like a secret"
    return _passed(
        "complete",
        f"{len(executed.cells)} code cells with {words}",
        cells=len(executed.cells),
        source_sha256=executed.source_sha256,
    )


def candidate_gate(
    candidate: Mapping[str, Any] | None, *, run_id: str, trials: int, sharpes: Mapping[str, float | int]
) -> Evidence:
    """The run registered a strategy, with pinned data and costs.

    Parameters
    ----------
    sharpes
        What the trials' Sharpe ratios say of the best of them; shown, not judged.
    """
    if candidate is None:
        return _refused(
            "candidate",
            f"expected the run {run_id} to have registered a candidate, found none; "
            "end the notebook with deploy(...) and run it again",
        )
    frame = candidate["timeframe"]
    missing = [name for name in candidate["instruments"] if f"{name} {frame}" not in candidate["data"]]
    if missing:
        return _refused(
            "candidate",
            f"expected pinned {frame} bars of {', '.join(missing)}, found "
            f"{', '.join(candidate['data']) or 'no data'}; load them with load_bars(...) in the notebook",
        )
    others: Mapping[str, str] = candidate.get("others", {})
    if strange := [f"{name} {found}" for name, found in others.items() if found not in (frame, "tick")]:
        return _refused(
            "candidate",
            f"expected {frame} bars of what is looked at and converted by, the timeframe that a deployment "
            f"takes, found {', '.join(strange)}; give backtest(..., also=...) {frame} bars of it",
        )
    if unpinned := [name for name in others if f"{name} {frame}" not in candidate["data"]]:
        return _refused(
            "candidate",
            f"expected pinned {frame} bars of {', '.join(unpinned)}, which the backtest was given, found "
            f"{', '.join(candidate['data'])}; load them with load_bars(...) in the notebook",
        )
    costs = candidate["cost_book"] or {}
    books = costs.get("books", [costs])
    unpriced = [
        name
        for name in (*candidate["instruments"], *others)
        if any(name not in book.get("costs", {}) for book in books)
    ]
    if unpriced:
        return _refused(
            "candidate",
            f"expected the costs of {', '.join(unpriced)} to be pinned, found none; "
            "run a backtest with a cost book before deploy(...)",
        )
    strategy = candidate["strategy"]
    given = f" beside {', '.join(others)}" if others else ""
    matched = [f"{name} {found}" for name, found in candidate.get("finer", {}).items() if found != frame]
    terms: list[str] = []
    if matched:
        lacks = f"which a deployment on a replay of {frame} bars does not have"
        terms.append(f"orders matched on {', '.join(matched)}, {lacks}")
    if candidate.get("sizes"):
        terms.append("filled by recorded sizes: to be deployed on ticks that carry them")
    return _passed(
        "candidate",
        f"{strategy['class']} on {', '.join(candidate['instruments'])} {frame}{given}, "
        f"{trials:,} variants of the idea tried so far{''.join(f', {item}' for item in terms)}",
        spec_digest=strategy["digest"],
        trials=trials,
        **sharpes,
    )


def limits_gate(limits: Limits, *, instruments: Sequence[str]) -> Evidence:
    """Every limit is a number above zero, and the instruments are named."""
    zero = [
        item.name for item in fields(Limits) if item.name != "instruments" and not getattr(limits, item.name)
    ]
    if zero:
        return _refused(
            "limits",
            f"expected every limit to be above zero, found {', '.join(zero)} missing or zero; "
            "a limit that is not set allows nothing. Give them to promote(...) or to deploy(..., limits=...)",
            zero=zero,
        )
    if unnamed := [name for name in instruments if name not in limits.instruments]:
        return _refused(
            "limits",
            f"expected limits that name {', '.join(unnamed)}, found "
            f"{', '.join(limits.instruments) or 'no instrument'}; add what the strategy trades",
        )
    return _passed("limits", f"all {len(fields(Limits))} limits set", limits=_plain(limits.to_json()))


def code_gate(*, ran: str, now: str, changed: bool) -> Evidence:
    """Which code made the run, and which reproduces it; noted, and never a reason to refuse."""
    of_run = ", the code of the run" if ran == now else f"; the run was made by {ran or 'unknown code'}"
    return _passed(
        "code",
        f"{now}{of_run}",
        run=ran,
        promotion=now,
        changed_since_commit=changed,
    )


def reproduction_gate(
    recorded: Sequence[CellResult], again: Sequence[CellResult], *, wall_s: float
) -> Evidence:
    """Every code cell showed the same again, in a clean kernel on the pinned data."""
    found = first_difference(recorded, again)
    if found is not None:
        return _refused("reproduction", found.sentence, cell=found.cell, **found.values)
    digests = sum(len(item.digests) for item in again)
    return _passed(
        "reproduction",
        f"{len(again)} cells showed the same again, {digests} results by their digest, in {wall_s:.1f} s",
        cells=len(again),
        digests=digests,
        wall_s=round(wall_s, 1),
    )


class Difference:
    """The first thing that two runs showed differently."""

    def __init__(self, cell: int, source: str, what: str, recorded: str, again: str) -> None:
        self.cell = cell
        self.values = {"recorded": _cut(recorded), "again": _cut(again)}
        self.sentence = (
            f"cell {cell} ({first_line(source)}): {what} in the run: {_cut(recorded)!r}, run again: "
            f"{_cut(again)!r}; a released notebook shows the same each time: give seeds, pin data, "
            "and leave times out"
        )


def first_difference(recorded: Sequence[CellResult], again: Sequence[CellResult]) -> Difference | None:
    """The first cell that differs between two runs of one notebook; None when none does."""
    for old, new in zip_longest(recorded, again):
        one = old or new
        if old is None or new is None:
            words = ("no such cell", "a cell") if old is None else ("a cell", "no such cell")
            return Difference(one.number, one.source, "cell", *words)
        for what, first, second in (
            ("source", old.source, new.source),
            ("executed", str(old.executed), str(new.executed)),
            ("error", old.error, new.error),
        ):
            if first != second:
                return Difference(old.number, old.source, what, first, second)
        for what, firsts, seconds in (
            ("result", old.digests, new.digests),
            ("output", old.text, new.text),
        ):
            if firsts != seconds:
                return Difference(old.number, old.source, what, *_first_line_that_differs(firsts, seconds))
    return None


def dry_start_gate(
    rehearsed: Mapping[str, Any], *, candidate: Mapping[str, Any], allowance: Allowance, wall_s: float
) -> Evidence:
    """Started as a live kernel starts it, without research cells, the notebook gives the same strategy.

    And it decides within the time that a live kernel lets it have.
    """
    spec = candidate["strategy"]
    if rehearsed["spec"]["digest"] != spec["digest"]:
        return _refused(
            "dry_start",
            f"the notebook without its research cells gives another strategy: "
            f"{_strategy(spec)} in the run, {_strategy(rehearsed['spec'])} now; "
            "what deploy(...) is given may not depend on a cell tagged 'research'",
            run=spec["digest"],
            rehearsal=rehearsed["spec"]["digest"],
        )
    for what in ("instruments", "timeframe"):
        if rehearsed[what] != candidate[what]:
            return _refused(
                "dry_start", f"{what}: {candidate[what]} in the run, {rehearsed[what]} without research cells"
            )
    slowest_s = float(rehearsed["slowest_s"])
    if slowest_s > allowance.decision_s:
        return _refused(
            "dry_start",
            f"expected every decision within {allowance.decision_s:g} s, found one of {slowest_s:.3g} s: a "
            "live kernel would end the strategy there; make it faster, or promote it with more "
            "(--decision-seconds)",
            slowest_s=round(slowest_s, 6),
        )
    decisions = sum(len(found) for found in rehearsed["decisions"].values())
    bars = sum(rehearsed["bars"].values())
    return _passed(
        "dry_start",
        f"the same strategy without research cells; it decided to act on {decisions:,} of "
        f"{'the last ' if rehearsed['from_ns'] else ''}{bars:,} {rehearsed.get('events', 'bars')}, "
        f"in {wall_s:.1f} s, the slowest decision in {1e3 * slowest_s:,.3g} ms",
        spec_digest=spec["digest"],
        decisions=decisions,
        bars=bars,
        from_ns=rehearsed["from_ns"],
        slowest_s=round(slowest_s, 6),
        wall_s=round(wall_s, 1),
    )


def causality_gate(
    rehearsed: Mapping[str, Any], cut: Sequence[tuple[int, Mapping[str, Any] | str]]
) -> Evidence:
    """With the bars after a moment taken away, everything decided up to that moment stays the same.

    A notebook may fit its strategy on bars up to some moment: before it the strategy is another one, and
    there is nothing to compare. At the latest moment tried it has to be the released one.

    Parameters
    ----------
    cut
        Each moment, nanoseconds UTC and rising, with what was decided when nothing after it was there, or
        why the notebook could not be run so.
    """
    compared: list[int] = []
    fitted_later: list[int] = []
    for until_ns, found in cut:
        if isinstance(found, str):
            continue
        if found["spec"]["digest"] != rehearsed["spec"]["digest"]:
            fitted_later.append(until_ns)
            continue
        differing = first_decision_that_differs(rehearsed, found, until_ns=until_ns)
        if differing is not None:
            return _refused(
                "causality",
                f"with the bars after {_moment(until_ns)} taken away, {differing}; the strategy knew what "
                "came later: let it look at nothing but the bars it is given",
                until_ns=until_ns,
            )
        compared.append(until_ns)
    if fitted_later and (not compared or max(fitted_later) > min(compared)):
        return _refused(
            "causality",
            f"with the bars after {_moment(max(fitted_later))} taken away, the notebook makes another "
            f"strategy than {_strategy(rehearsed['spec'])}; fit it on bars before a fixed moment, "
            "and leave some that it has not seen",
            until_ns=max(fitted_later),
        )
    if not compared:
        reason = next((found for _, found in cut if isinstance(found, str)), "no moment lies within the data")
        return _refused("causality", f"no moment could be tried: {reason}")
    learnt = f"; it was fitted on bars after {_moment(max(fitted_later))}" if fitted_later else ""
    moments = "one moment" if len(compared) == 1 else f"{len(compared)} moments"
    return _passed(
        "causality",
        f"the same decisions with the future taken away at {moments}{learnt}",
        moments=[_moment(item) for item in compared],
        fitted_after=[_moment(item) for item in fitted_later],
        not_tried=[found for _, found in cut if isinstance(found, str)],
    )


def moments_to_try(closes: Sequence[int], decided: Sequence[Any], *, shares: Sequence[float]) -> list[int]:
    """Where to take the future away: near each share of the bars, where a position was entered or left.

    What a strategy looks up one bar ahead shows only at the last bar that is left, and only if it acts there.
    Entries and exits take turns.

    Parameters
    ----------
    closes
        Of all bars, nanoseconds UTC.
    decided
        Pairs of a bar's close and its orders, as a rehearsal writes them.
    """
    entered = {
        close for close, orders in decided if any(not item.get("reduce_only", True) for item in orders)
    }
    left = {close for close, _ in decided} - entered
    half, number = closes[len(closes) // 2], {close: index for index, close in enumerate(closes[:-1])}
    entries, exits = (
        sorted(close for close in acted & number.keys() if close >= half) for acted in (entered, left)
    )
    found: list[int] = []
    for turn, share in enumerate(shares):
        wanted = min(int(len(closes) * share), len(closes) - 1)
        acted = exits if exits and (turn % 2 or not entries) else entries
        found.append(min(acted, key=lambda close: abs(number[close] - wanted), default=closes[wanted]))
    return sorted(set(found))


def first_decision_that_differs(
    whole: Mapping[str, Any], cut: Mapping[str, Any], *, until_ns: int
) -> str | None:
    """The first bar at which two rehearsals decided differently, in words; None when there is none."""
    on = "at the quote of" if whole.get("events") == "quotes" else "at the bar that closed"
    for name, decided in whole["decisions"].items():
        full = {close: orders for close, orders in decided if close <= until_ns}
        short = dict(map(tuple, cut["decisions"].get(name, [])))
        for close in sorted(full.keys() | short.keys()):
            if full.get(close) != short.get(close):
                return (
                    f"{name} {on} {_moment(close)} decided "
                    f"{_orders(short.get(close))} instead of {_orders(full.get(close))}"
                )
    return None


def _changed_cell(executed: Notebook, saved: Notebook) -> str:
    for ran, now in zip_longest(executed.cells, saved.cells):
        if ran is None or now is None or (ran.source, ran.tags) != (now.source, now.tags):
            cell = now or ran
            what = "was added" if ran is None else "was removed" if now is None else "was changed"
            return (
                f"cell {cell.number} ({first_line(cell.source)}) {what} since the run"
                + (f": {_line_change(ran.source, now.source)}" if ran is not None and now is not None else "")
                + "; run the notebook again, then promote that run"
            )
    return ""


def _line_change(old: str, new: str) -> str:
    for first, second in zip_longest(old.splitlines(), new.splitlines(), fillvalue=""):
        if first != second:
            return f"{_cut(first)!r} ran, {_cut(second)!r} is there now"
    return "its tags"


def _first_line_that_differs(firsts: Sequence[str], seconds: Sequence[str]) -> tuple[str, str]:
    for first, second in zip_longest(firsts, seconds, fillvalue=""):
        if first != second:
            for one, other in zip_longest(first.splitlines(), second.splitlines(), fillvalue=""):
                if one != other:
                    return one, other
    return "\n".join(firsts), "\n".join(seconds)


def _strategy(spec: Mapping[str, Any]) -> str:
    values = ", ".join(f"{name}={value!r}" for name, value in spec["params"].items())
    return f"{spec['class']}({values}) {spec['digest'][:12]}"


def _orders(orders: Any) -> str:
    return "nothing" if not orders else " and ".join(f"{item['units']:+,} units" for item in orders)


def _moment(time_ns: int) -> str:
    return f"{to_datetime(time_ns):%Y-%m-%d %H:%M} UTC"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(item) if isinstance(item, tuple) else item for name, item in value.items()}


def _passed(name: str, summary: str, **figures: Any) -> Evidence:
    return Evidence(name=name, passed=True, summary=summary, figures=figures)


def _refused(name: str, summary: str, **figures: Any) -> Evidence:
    return Evidence(name=name, passed=False, summary=summary, figures=figures)
