"""The fault catalogue: what each fault is, how it begins and how it is over.

Numbers and expectations are those of the documentation's table. A fault begins at a step and ends at
another; several run at once. What can not happen inside one process is modelled here and met for real
elsewhere: `Fault.also` says where.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.gateway.simulation.world import World

__all__ = ["CATALOGUE", "Fault"]


_PATIENT_STEPS = 4  # an order waits for two events before it is taken back or replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the catalogue."""

    id: str
    title: str
    begin: "Callable[[World], None]"
    end: "Callable[[World], None]"
    also: str = ""  # where it is met without a model
    least_steps: int = 1  # how long it lasts at least, where its occasion takes time to come


def _nothing(world: "World") -> None:
    """Nothing is to be put back."""


def _trouble(
    id: str, title: str, *names: str, patient: bool = False, cut: bool = False, also: str = ""
) -> Fault:
    def switch(on: bool) -> "Callable[[World], None]":
        def act(world: "World") -> None:
            world.kernel.patient += patient * (1 if on else -1)
            world.network.cut = world.network.cut or cut
            for name in names:
                setattr(world.house.troubles, name, on)

        return act

    steps = _PATIENT_STEPS if patient else 1
    return Fault(id=id, title=title, begin=switch(True), end=switch(False), also=also, least_steps=steps)


def _death(id: str, title: str, *places: str, also: str = "tests/gateway/test_crashes.py") -> Fault:
    def begin(world: "World") -> None:
        world.arm(id, places)

    def end(world: "World") -> None:
        world.disarm(id)

    return Fault(id=id, title=title, begin=begin, end=end, also=also)


def _disk(id: str, title: str, failure: str, also: str = "") -> Fault:
    def begin(world: "World") -> None:
        world.disk_fails(id, failure)

    def end(world: "World") -> None:
        world.disk_works(id)

    return Fault(id=id, title=title, begin=begin, end=end, also=also)


def _once(id: str, title: str, name: str, *, undo: str = "", also: str = "") -> Fault:
    def begin(world: "World") -> None:
        getattr(world, name)()

    def end(world: "World") -> None:
        if undo:
            getattr(world, undo)()

    return Fault(id=id, title=title, begin=begin, end=end, also=also)


def _thin_and_down(world: "World") -> None:
    world.house.troubles.thin_market = True
    world.cut_after_partial()


def _thick_and_up(world: "World") -> None:
    world.stop_waiting_for_partial()
    world.house.troubles.thin_market = False
    world.house.troubles.down = False


def _half_cancels(world: "World") -> None:
    world.kernel.patient += 1
    world.house.troubles.half_cancels = True


def _all_cancels(world: "World") -> None:
    world.kill_and_look()
    world.kernel.patient -= 1
    world.house.troubles.half_cancels = False


def _late_list(world: "World") -> None:
    world.house.troubles.late_list_s = 4.0


def _prompt_list(world: "World") -> None:
    world.house.troubles.late_list_s = 0.0


_FAULTS = (
    _once("E01", "somebody else trades on the account", "outsider"),
    _once(
        "E02",
        "another gateway trades on the account",
        "other_gateway",
        also="tests/gateway/test_two_homes.py",
    ),
    _trouble("F01", "request lost before the broker", "lose_requests"),
    _trouble("F02", "response lost, order accepted", "lose_replies"),
    _trouble("F03", "response late, after the probe adopted the order", "late_replies"),
    _trouble("F04", "server error although the order was accepted", "server_errors"),
    _trouble("F05", "too many requests", "too_many"),
    _trouble("F06", "token expired", "unauthorized"),
    _trouble("F07", "response cut short", "cut_bodies"),
    _trouble("F08", "acknowledgement twice", "repeat_replies"),
    _trouble("F09", "execution twice, same trade id", "repeat_fill"),
    _trouble("F10", "same trade id, another price", "alter_fill"),
    _trouble("F11", "same execution under another id", "rename_fill"),
    _trouble("F12", "execution before the acknowledgement", "fill_at_once"),
    _trouble("F13", "execution after the cancel was confirmed", "ghost_cancel", patient=True),
    _trouble("F14", "partial execution, then a cancel", "thin_market"),
    Fault(
        id="F15",
        title="partial execution, disconnect, the rest while away",
        begin=_thin_and_down,
        end=_thick_and_up,
        least_steps=3,
    ),
    _trouble("F16", "more executed than ordered", "overfill"),
    _trouble("F17", "cancel answered with unknown order", "deny_cancel", patient=True),
    _trouble("F18", "replaced order and its successor both live", "keep_replaced", patient=True),
    _trouble("F19", "change lost on the way", "lose_changes", patient=True),
    Fault(id="F20", title="half of the cancels fail", begin=_half_cancels, end=_all_cancels, least_steps=2),
    _trouble("F21", "record out of order", "shuffle"),
    _trouble("F22", "record with a gap", "gap"),
    _trouble("F23", "stream connected and silent", "silent_stream"),
    _trouble("F24", "half-open connection", "half_open", also="broker cards over the loopback proxy"),
    _trouble("F25", "connection flaps", "flap"),
    _trouble("F26", "disconnect during executions", "down"),
    _trouble("F27", "empty positions by error", "empty_positions"),
    Fault(id="F28", title="order listed late", begin=_late_list, end=_prompt_list),
    _trouble("F29", "rejected, then executed", "reject_and_fill"),
    _trouble("F30", "order silently dropped by the broker", "drop_order"),
    _death("F31", "process killed before the intent is durable", "before intent", "in intent"),
    _death("F32", "process killed after the intent, before the send", "after intent"),
    _death("F33", "process killed after the send, before the answer is durable", "placed", "in answer"),
    _death(
        "F34",
        "process killed while executions are taken in",
        "in reconciliation",
        "in delivery",
        "after reconciliation",
    ),
    _once("F35", "process killed during a kill", "kill_and_die", undo="release"),
    _once("F36", "power cut", "cut_power", also="tests/gateway/test_power_loss.py"),
    _disk("F37", "the disk fails at a sync", "io"),
    _disk("F38", "disk full", "full"),
    _disk("F39", "store locked or slow", "slow"),
    _disk(
        "F40",
        "connection lost during a commit",
        "outcome",
        also="PostgreSQL: tests/gateway/test_store_revision.py",
    ),
    _once("F41", "a record of the journal was changed", "corrupt_journal"),
    _once("F42", "two gateways", "second_gateway", also="tests/gateway/test_process.py"),
    _once("F43", "the strategy blocks for 30 s", "block_kernel", also="the supervisor's watch: tests/live"),
    _once("F44", "the strategy sends a burst of orders", "burst_of_orders"),
    _once("F45", "orders without sense", "absurd_orders"),
    _once("F46", "the wall clock jumps", "jump_clock", undo="settle_clock"),
    _once("F47", "weekend, change to summer time, New York roll", "cross_a_weekend"),
    _once("F48", "crossed, zero and outlying quotes", "bad_quotes", undo="good_quotes"),
    _trouble("F49", "the instrument's smallest order changes", "other_minimum", cut=True),
    _once("F50", "limits missing", "lose_limits", undo="give_limits_back"),
    _once("F51", "log and metrics fail", "break_log", undo="mend_log"),
    _once(
        "F52", "kill switch while the broker can not be reached", "kill_while_away", undo="heal_and_release"
    ),
)
CATALOGUE: dict[str, Fault] = {fault.id: fault for fault in _FAULTS}
"""By number."""
