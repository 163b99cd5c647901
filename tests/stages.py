"""Run every check and test of the project, and say how long each stage took.

Usage: python tests/stages.py [--quick] [STAGE…]

Stages go side by side where one of them leaves a processor idle; what the others print is shown when their
neighbours are done. Stages that are named run one after the other, as they were named.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Stage:
    """One check: what it is, and what is called in the repository's root."""

    title: str
    command: Sequence[str]


@dataclass(frozen=True)
class Result:
    """How a stage ended."""

    name: str
    passed: bool
    seconds: float
    printed: str = ""  # when it was kept back


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def lab(*arguments: str) -> list[str]:
    return tool("python", "extensions/build_lab.py", *arguments)


def in_the_gaps(command: Sequence[str]) -> list[str]:
    """The command with what the stages beside it leave of the processors."""
    return ["nice", "-n", "19", *command]


QUICK = {
    "format": Stage("ruff format: the code has its format", tool("ruff", "format", "--check", ".")),
    "lint": Stage("ruff check: no known mistakes", tool("ruff", "check", ".")),
    "imports": Stage("import-linter: imports point down", tool("lint-imports")),
    "types": Stage("mypy --strict on workbench/", tool("mypy", "workbench")),
}
TYPESCRIPT = {
    "tsc": Stage("tsc: the extension's types", lab("tsc", "--noEmit")),
    "eslint": Stage("eslint and prettier: the extension's style", lab("lint:check")),
    "jest": Stage("Jest: the extension's functions and components", lab("test")),
}
TESTS = {
    "compile": Stage(
        "compile: the order path's loops, once for all the processes of the tests",
        tool("workbench", "simulate", "--seeds", "1", "--workers", "1"),
    ),
    "pytest": Stage(
        "pytest: unit, property, integration (SQLite and PostgreSQL), processes",
        tool(
            "pytest",
            "-q",
            *("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"),  # in the order of tests/conftest.py
            *("--durations", "25"),
            *("-m", "not browser and not notebooks"),
        ),
    ),
    "simulation": Stage(
        "simulation: the real order path under faults, seed after seed",
        in_the_gaps(tool("workbench", "simulate", "--seeds", "5000", "--least-hits", "200")),
    ),
    "notebooks": Stage(
        "notebooks: each runs from top to bottom in a fresh kernel",
        tool("pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", "notebooks and not browser"),
    ),
    "browser": Stage(
        "browser: JupyterLab and Voila in chromium",
        tool("pytest", "-q", "--durations", "5", "-m", "browser"),
    ),
    "demo": Stage("demo: the main job from quotes to equal fills, with the kill", tool("workbench", "demo")),
}
STAGES = {**QUICK, **TYPESCRIPT, **TESTS}

# rounds of lanes: the lanes of a round go side by side, the stages of a lane one after the other
ALL = (
    (tuple(QUICK), (*TYPESCRIPT, "compile")),
    (("pytest",), ("simulation",)),
    (("notebooks",), ("browser", "demo")),
)


def rounds_of(arguments: Sequence[str]) -> Sequence[Sequence[Sequence[str]]]:
    """What to run for the arguments of the command line."""
    if "--quick" in arguments:
        return ((tuple(QUICK),),)
    chosen = tuple(name for name in arguments if not name.startswith("-"))
    return ((chosen,),) if chosen else ALL


def run_stage(name: str, environment: Mapping[str, str], *, out: IO[str] | None) -> Result:
    """Run one stage; what it prints goes to `out`, or where this program prints."""
    stage = STAGES[name]
    print(f"\n=== {name}: {stage.title}", file=out, flush=True)
    began = time.monotonic()
    done = subprocess.run(
        stage.command,
        cwd=ROOT,
        env=environment,
        stdout=out,
        stderr=None if out is None else subprocess.STDOUT,
        check=False,
    )
    return Result(name, done.returncode == 0, time.monotonic() - began)


def run_lane(names: Sequence[str], environment: Mapping[str, str]) -> Iterator[Result]:
    """Run stages one after the other, and keep back what they print."""
    for name in names:
        with tempfile.TemporaryFile("w+") as out:
            found = run_stage(name, environment, out=out)
            out.seek(0)
            yield Result(found.name, found.passed, found.seconds, out.read())


def run_round(lanes: Sequence[Sequence[str]], environment: Mapping[str, str]) -> list[Result]:
    """Run the lanes side by side; the first prints as it goes, the others when it is done."""
    first, *others = lanes
    with ThreadPoolExecutor(max(1, len(others))) as pool:
        waiting = [pool.submit(lambda lane=lane: list(run_lane(lane, environment))) for lane in others]
        results = [run_stage(name, environment, out=None) for name in first]
        for future in waiting:
            for found in future.result():
                print(found.printed, end="", flush=True)
                results.append(found)
    return results


def main(arguments: list[str]) -> int:
    # background jobs ignore Ctrl-C, under nohup a hang-up too; children inherit that, and the tests send both
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    rounds = rounds_of(arguments)
    if unknown := [name for lanes in rounds for lane in lanes for name in lane if name not in STAGES]:
        print(f"unknown stage {', '.join(unknown)}; stages: {', '.join(STAGES)}", file=sys.stderr)
        return 2
    home = tempfile.mkdtemp(prefix="wb-stages-")  # never the user's own
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "WORKBENCH_HOME": f"{home}/home",
        "WORKBENCH_MLRUNS": f"{home}/mlruns",
    }
    began = time.monotonic()
    results = [result for lanes in rounds for result in run_round(lanes, environment)]
    total = time.monotonic() - began
    shutil.rmtree(home, ignore_errors=True)
    print("\n=== stages")
    for result in results:
        print(f"{'ok    ' if result.passed else 'FAILED'}  {result.name:<10} {result.seconds:7.1f} s")
    used = os.times()
    print(f"total   {total:18.1f} s, of the processors {used.children_user + used.children_system:.0f} s")
    if failed := [result.name for result in results if not result.passed]:
        print(f"failed: {', '.join(failed)}; one alone: {BIN / 'python'} tests/stages.py {failed[0]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
