"""`workbench bench`: the performance targets, measured next to the peers."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from workbench.commands.answering import answers, json_option
from workbench.errors import BadInputError

__all__ = ["bench"]

_ID = re.compile(r"\b(?:P\d+|ORDER|KILL)\b")

_RUN = """
import importlib, inspect, json, sys
module = importlib.import_module(sys.argv[1])
wanted = sys.argv[2:]
takes = "ids" in inspect.signature(module.measure).parameters
rows = module.measure(ids=wanted) if takes else module.measure()
print("\\n@@" + json.dumps([row for row in rows if not wanted or row["id"] in wanted], default=float))
"""


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@json_option
@answers
def bench(ids: tuple[str, ...], as_json: bool) -> None:
    """Measure the performance targets (all, or P1 P7 ...) and say which are met.

    ORDER is the way of an order through the gateway, by the disk and in memory, KILL the kill switch.

    Peers are run where they are installed; `make bench` sets up an environment with them. Run it on a machine
    that does nothing else.
    """
    wanted = [item.upper() for item in ids]
    folder = _folder()
    found: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.py")):
        source = file.read_text()
        named = set(_ID.findall(source))
        if "def measure(" not in source or (wanted and not named & set(wanted)):
            continue
        for row in _measured(folder, file.stem, wanted):
            row["machine"] = _machine()
            found.append(row)
            if not as_json:
                click.echo(_line(row))
    if missing := sorted(set(wanted) - {row["id"] for row in found}):
        raise BadInputError(f"no benchmark measures {', '.join(missing)}; leave the ids out to run all")
    if as_json:
        click.echo(json.dumps(found, indent=2, default=float))
    else:
        met = sum(bool(row["met"]) for row in found)
        click.echo(f"{met} of {len(found)} lines met, on {_machine()}")


def _folder() -> Path:
    """The benchmarks of the checkout that one stands in or that the package comes from."""
    for root in (Path.cwd(), *Path(__file__).resolve().parents):
        if (root / "benchmarks" / "backtest_speed.py").is_file():
            return root / "benchmarks"
    raise BadInputError(
        "expected the folder benchmarks of a checkout here, found none; run it in the repository"
    )


def _measured(folder: Path, name: str, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of one file, measured in a process of its own; the peers' environment if it is there."""
    peers = folder.parent / ".venv-bench" / "bin" / "python"
    python = str(peers) if peers.exists() else sys.executable
    done = subprocess.run(
        [python, "-c", _RUN, name, *ids],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(folder.parent)))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise BadInputError(f"benchmarks/{name}.py ended with code {done.returncode}: {last[0]}")
    yield from json.loads(done.stdout.rsplit("\n@@", 1)[1])


def _line(row: dict[str, Any]) -> str:
    """One target for people."""
    peer = row.get("peer")
    other = f"{peer} {row.get('peer_version') or ''}".strip() if peer else "no peer in this run"
    ratio = f", {row['ratio']:.3g}x" if row.get("ratio") else ""
    return (
        f"{row['id']:<4} {row['what']}: {row['ours']:.4g} {row['unit']} | {other}{ratio} | "
        f"target {row['target']} | {'met' if row['met'] else 'NOT met'}"
    )


def _machine() -> str:
    """What it ran on."""
    name = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = re.findall(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} processors, Python {platform.python_version()}"
