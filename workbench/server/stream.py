"""The live state, pushed: read once for everybody who watches, at most four times a second.

Each watcher has a loop of its own that sends the newest state and then waits for its socket: who is slow
skips the states between and holds nobody up.
"""

import asyncio
import contextlib
import json
import operator
from collections.abc import Awaitable, Callable
from typing import Any

import tornado.websocket
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web

from workbench.errors import WorkbenchError
from workbench.server.access import require
from workbench.server.roles import RESOURCE

__all__ = ["LiveState", "StreamHandler", "Watch"]

SEND_EVERY_S = 0.25  # at most four frames a second to each watcher
_AT_LEAST_EVERY_S = 5.0  # so that who watches knows a state that stands still from a stream that does
_GIVE_UP_S = 30.0  # a socket that takes nothing for so long is closed


class LiveState:
    """The newest state, read again and again while somebody watches.

    Parameters
    ----------
    read
        Makes the state.
    same
        Whether two states need not be told apart.
    log_failure
        Told once when reading begins to fail, not at each attempt.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[dict[str, Any]]],
        *,
        every_s: float = 0.5,
        same: Callable[[dict[str, Any], dict[str, Any]], bool] = operator.eq,
        log_failure: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._read = read
        self._every_s = every_s
        self._same = same
        self._log_failure = log_failure
        self._watches: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self._failing = False
        self._told_at = 0.0
        self.newest: dict[str, Any] | None = None
        self.seq = 0

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watches)

    def join(self, watch: "Watch") -> None:
        """Somebody begins to watch; the first one sets the reading off."""
        self._watches.add(watch)
        if self.newest is not None:
            watch.wake()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_reading())
        self.read_soon()

    def leave(self, watch: "Watch") -> None:
        """Somebody looks away."""
        self._watches.discard(watch)

    def read_soon(self) -> None:
        """Something has just been done: do not wait for the next turn."""
        self._asked.set()

    async def close(self) -> None:
        """End the reading."""
        for watch in list(self._watches):
            await watch.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_reading(self) -> None:
        while self._watches:
            self._asked.clear()
            await self._read_once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._every_s)
        self.newest = None  # who comes next gets a fresh one

    async def _read_once(self) -> None:
        try:
            state = await self._read()
        except (WorkbenchError, OSError) as error:
            if not self._failing:
                self._log_failure(f"the live state can not be read: {error}")
            self._failing = True
            return
        self._failing = False
        now = asyncio.get_running_loop().time()
        if (
            self.newest is None
            or not self._same(state, self.newest)
            or now > self._told_at + _AT_LEAST_EVERY_S
        ):
            self.newest, self._told_at = state, now
            self.seq += 1
            for watch in self._watches:
                watch.wake()


class Watch:
    """One watcher's sending loop."""

    def __init__(
        self, live: LiveState, send: Callable[[str], Awaitable[None]], *, every_s: float = SEND_EVERY_S
    ) -> None:
        self._live = live
        self._send = send
        self._every_s = every_s
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._keep_sending())
        self._live.join(self)

    def wake(self) -> None:
        """There is a newer state."""
        self._changed.set()

    async def close(self) -> None:
        """Stop watching."""
        self._live.leave(self)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_sending(self) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                frame = json.dumps({"seq": self._live.seq, **(self._live.newest or {})})
                await asyncio.wait_for(self._send(frame), _GIVE_UP_S)
                await asyncio.sleep(self._every_s)
        except (tornado.websocket.WebSocketClosedError, TimeoutError):
            self._live.leave(self)


class StreamHandler(WebSocketMixin, tornado.websocket.WebSocketHandler, JupyterHandler):
    """`/stream`: every text frame is a `State`; nothing a client sends is read."""

    _watch: Watch | None = None
    _closing: asyncio.Future[None] | None = None

    @ws_authenticated
    async def get(self, *arguments: Any, **named: Any) -> None:
        """Open the socket for somebody who may see the status."""
        authorized = self.authorizer.is_authorized(self, self.current_user, "read", RESOURCE)
        if not (await authorized if asyncio.iscoroutine(authorized) else authorized):
            raise web.HTTPError(403, "not allowed by the server's authorizer")
        require(self, "status")
        await super().get(*arguments, **named)

    def open(self) -> None:
        """Begin to send."""
        super().open()
        self._watch = Watch(self.settings["workbench_live"], self._send)
        self._watch.start()

    def on_message(self, message: str | bytes) -> None:
        """The stream goes one way: verbs are REST calls, each checked by itself."""

    def on_close(self) -> None:
        """Stop sending."""
        if self._watch is not None:
            self._closing = asyncio.ensure_future(self._watch.close())
        super().on_close()

    async def _send(self, frame: str) -> None:
        await self.write_message(frame)
