"""A guard over a child without a kernel: `python -m tests.live.guard_under_test FOLDER MOOD DECISION_S`."""

import os
import signal
import sys
import time
from pathlib import Path

from tests.live.kernel_under_test import crash, eat_memory, hold_everything, print_for_ever
from workbench.domain.allowance import Allowance
from workbench.live.beat import Phase
from workbench.live.board import Board
from workbench.live.forking import Kin, part
from workbench.live.guard import Guard
from workbench.live.launch import Places
from workbench.live.log import open_log
from workbench.live.saying import Said, say

EVENT = 7


def finish() -> None:
    """Come back at once."""


def start_another() -> None:
    """A process that a pool of workers would leave behind: a fork, with all that its parent had open."""
    if not (other := os.fork()):
        time.sleep(3_599)
        os._exit(0)
    Path("other").write_text(str(other))


def trade(kin: Kin, folder: Path, mood: str) -> None:
    say(kin.said, Said(phase=Phase.TRADING))
    print("it trades")
    (folder / "child").write_text(str(os.getpid()))
    signal.signal(signal.SIGTERM, lambda *_: leave(kin))
    board: Board = kin.board
    board.decided(EVENT - 1, orders=3, replayed=False)
    board.begin(EVENT)
    {
        "hangs": hold_everything,
        "crashes": crash,
        "eats": eat_memory,
        "prints": print_for_ever,
        "decides": finish,
        "leaves": lambda: os._exit(3),
        "starts others": lambda: (os.system("sleep 3599 & echo $! > other"), hold_everything()),
        "starts another and crashes": lambda: (start_another(), crash()),
        "starts another and leaves": lambda: (start_another(), os._exit(3)),
        "writes nonsense": lambda: (os.write(kin.said, b"\xff nonsense\n"), finish()),
    }[mood]()
    board.end()
    while True:
        time.sleep(1.0)


def leave(kin: Kin) -> None:
    say(kin.said, Said(phase=Phase.STOPPED, detail="Stopped as asked."))
    os._exit(0)


def main() -> int:
    folder, mood, decision_s = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    os.chdir(folder)
    places = Places(folder, folder)
    kin = part()
    if not kin.child:
        trade(kin, folder, mood)
    guard = Guard(
        kin.child,
        deployment_id="d",
        places=places,
        allowance=Allowance(decision_s=decision_s, memory_mib=600),
        board=kin.board,
        said=kin.said,
        printed=kin.printed,
        log=open_log(places.log, deployment_id="d"),
    )
    guard.listen()
    return guard.run()


if __name__ == "__main__":
    sys.exit(main())
