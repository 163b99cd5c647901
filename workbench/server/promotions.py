"""Promotions that this server has begun: each in a process of its own, so that the server stays quick.

The child gets one JSON object on its standard input and answers with one JSON object a line: a gate that
begins, passes or refuses, and at last how it ended.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.server.errors import PromotionRunningError

__all__ = ["WORKER", "Promotions"]

WORKER = (sys.executable, "-m", "workbench.server.promotion_worker")
_KEEP = 20  # ended promotions that are still shown
_ENDED = ("promoted", "refused", "failed")
_LONGEST_LINE = 1 << 20
_END_WITHIN_S = 5.0


class Promotions:
    """Starts promotions, one at a time, and remembers how they go.

    Parameters
    ----------
    tell
        Called whenever something changed.
    """

    def __init__(
        self,
        *,
        gates: Sequence[Mapping[str, str]],
        environment: Mapping[str, str],
        folder: Path,
        tell: Callable[[], None] = lambda: None,
        command: Sequence[str] = WORKER,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._gates = tuple(gates)
        self._environment = dict(environment)
        self._folder = folder
        self._tell = tell
        self._command = tuple(command)
        self._clock_ms = clock_ms
        self._promotions: dict[str, dict[str, Any]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()  # a gate measures: two at once would disturb each other

    def list(self) -> list[dict[str, Any]]:
        """Every promotion, the newest first."""
        return list(reversed(self._promotions.values()))

    def begin(self, request: Mapping[str, Any], *, subject: str, by: str) -> dict[str, Any]:
        """Begin a promotion.

        Raises
        ------
        PromotionRunningError
            The same subject is on its way already.
        """
        if any(
            item["subject"] == subject and item["state"] == "running" for item in self._promotions.values()
        ):
            raise PromotionRunningError(f"{subject} is being promoted already; wait for its gates")
        promotion_id = secrets.token_hex(8)
        self._promotions[promotion_id] = {
            "id": promotion_id,
            "subject": subject,
            "by": by,
            "state": "running",
            "gates": [{**gate, "state": "waiting", "detail": ""} for gate in self._gates],
            "detail": "Waits for its turn.",
            "release_id": None,
            "begun": self._clock_ms(),
            "ended": None,
        }
        self._forget_old()
        self._tasks[promotion_id] = asyncio.create_task(self._run(promotion_id, dict(request)))
        self._tell()
        return self._promotions[promotion_id]

    async def close(self) -> None:
        """End the promotions that are running; nothing of them is kept."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, promotion_id: str, request: Mapping[str, Any]) -> None:
        async with self._turn:
            self._change(promotion_id, detail="The gates are asked one after the other.")
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
                cwd=self._folder,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
            try:
                _, errors = await asyncio.gather(
                    self._follow(promotion_id, child, request), _last_line(child)
                )
                code = await child.wait()
            except asyncio.CancelledError:
                await _end(child)
                raise
        if self._promotions[promotion_id]["state"] == "running":
            detail = f"the promotion's process ended with {code}: {errors or 'it said nothing'}"
            self._change(promotion_id, state="failed", detail=detail, ended=self._clock_ms())

    async def _follow(
        self, promotion_id: str, child: asyncio.subprocess.Process, request: Mapping[str, Any]
    ) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(request).encode())
        await child.stdin.drain()
        child.stdin.close()
        async for line in child.stdout:
            self._heard(promotion_id, json.loads(line))

    def _heard(self, promotion_id: str, message: Mapping[str, Any]) -> None:
        if gate := message.get("gate"):
            self._change(promotion_id, gates=_with_gate(self._promotions[promotion_id]["gates"], gate))
            return
        self._change(
            promotion_id,
            state=message["state"],
            detail=message["detail"],
            release_id=message.get("release_id"),
            ended=self._clock_ms(),
        )

    def _change(self, promotion_id: str, **values: Any) -> None:
        self._promotions[promotion_id] = {**self._promotions[promotion_id], **values}
        self._tell()

    def _forget_old(self) -> None:
        ended = [key for key, item in self._promotions.items() if item["state"] in _ENDED]
        for key in ended[: max(0, len(ended) - _KEEP)]:
            del self._promotions[key]
            self._tasks.pop(key, None)


def _with_gate(gates: Sequence[Mapping[str, Any]], heard: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = [dict(gate) for gate in gates]
    for gate in known:
        if gate["name"] == heard["name"]:
            gate.update(heard)
            return known
    return [*known, {"title": heard["name"], "detail": "", **heard}]


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a promotion with the kernels it runs: they are of its session."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, kind)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), _END_WITHIN_S)
            return


async def _last_line(child: asyncio.subprocess.Process) -> str:
    assert child.stderr is not None
    lines = (await child.stderr.read()).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
