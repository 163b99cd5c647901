"""Run every check and test of the project, one stage after the other, and say how long each took.

Usage: python tests/stages.py [--quick] [STAGE…]
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def lab(*arguments: str) -> list[str]:
    return tool("python", "extensions/build_lab.py", *arguments)


QUICK: dict[str, tuple[str, list[str], Path]] = {
    "format": ("ruff format: the code has its format", tool("ruff", "format", "--check", "."), ROOT),
    "lint": ("ruff check: no known mistakes", tool("ruff", "check", "."), ROOT),
    "imports": ("import-linter: imports point down", tool("lint-imports"), ROOT),
    "types": ("mypy --strict on workbench/", tool("mypy", "workbench"), ROOT),
}
TYPESCRIPT: dict[str, tuple[str, list[str], Path]] = {
    "tsc": ("tsc: the extension's types", lab("tsc", "--noEmit"), ROOT),
    "eslint": ("eslint and prettier: the extension's style", lab("lint:check"), ROOT),
    "jest": ("Jest: the extension's functions and components", lab("test"), ROOT),
}
TESTS: dict[str, tuple[str, list[str], Path]] = {
    "pytest": (
        "pytest: unit, property, integration (SQLite and PostgreSQL), processes",
        tool(
            "pytest",
            "-q",
            "-n",
            "3",
            "--dist",
            "loadfile",
            "--durations",
            "15",
            "-m",
            "not browser and not notebooks",
        ),
        ROOT,
    ),
    "notebooks": (
        "notebooks: each runs from top to bottom in a fresh kernel",
        tool("pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", "notebooks and not browser"),
        ROOT,
    ),
    "browser": (
        "browser: JupyterLab and Voila in chromium",
        tool("pytest", "-q", "--durations", "5", "-m", "browser"),
        ROOT,
    ),
    "demo": ("demo: the main job from quotes to equal fills, with the kill", tool("workbench", "demo"), ROOT),
}


def main(arguments: list[str]) -> int:
    # background jobs ignore Ctrl-C, under nohup a hang-up too; children inherit that, and the tests send both
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stages = QUICK if "--quick" in arguments else {**QUICK, **TYPESCRIPT, **TESTS}
    chosen = [name for name in arguments if not name.startswith("-")]
    if unknown := [name for name in chosen if name not in stages]:
        print(f"unknown stage {', '.join(unknown)}; stages: {', '.join(stages)}", file=sys.stderr)
        return 2
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    home = tempfile.mkdtemp(prefix="wb-stages-")  # never the user's own
    environment |= {"WORKBENCH_HOME": f"{home}/home", "WORKBENCH_MLRUNS": f"{home}/mlruns"}
    results: list[tuple[str, bool, float]] = []
    for name in chosen or stages:
        title, command, folder = stages[name]
        print(f"\n=== {name}: {title}", flush=True)
        began = time.monotonic()
        done = subprocess.run(command, cwd=folder, env=environment, check=False)
        results.append((name, done.returncode == 0, time.monotonic() - began))
    print("\n=== stages")
    for name, passed, seconds in results:
        print(f"{'ok    ' if passed else 'FAILED'}  {name:<10} {seconds:7.1f} s")
    print(f"total   {sum(seconds for _, _, seconds in results):18.1f} s")
    shutil.rmtree(home, ignore_errors=True)
    failed = [name for name, passed, _ in results if not passed]
    if failed:
        print(
            f"failed: {', '.join(failed)}; run one alone with: {BIN / 'python'} tests/stages.py {failed[0]}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
