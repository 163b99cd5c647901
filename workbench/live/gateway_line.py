"""A live kernel's conversation with the gateway: a question is asked until it is answered.

That sends no order twice: an intent carries the client id that was derived from its event, and the gateway
repeats its first answer to it.
"""

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.messages import (
    PROTOCOL_VERSION,
    Attach,
    Attached,
    KernelReply,
    KernelRequest,
    Refused,
)
from workbench.live.errors import GatewayRefusedError
from workbench.live.log import JsonLog

__all__ = ["Gateway", "GatewayLine"]

_Reply = TypeVar("_Reply")


class Gateway(Protocol):
    """The gateway as a live kernel sees it."""

    def ask(self, request: KernelRequest) -> KernelReply:
        """The answer, or `GatewayUnreachableError`; every question may be asked again."""

    def close(self) -> None:
        """Give the socket back."""


class GatewayLine:
    """One deployment's.

    Parameters
    ----------
    stop
        Set when the kernel is to stop: a silent gateway is not waited for then.
    pause_s
        Rest before a silent gateway is asked again.
    wait
        Told what the line waits for, the empty text when it waits no more.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        deployment_id: str,
        token: str,
        pid: int,
        log: JsonLog,
        stop: threading.Event,
        pause_s: float,
        wait: Callable[[str], None],
    ) -> None:
        self.deployment_id = deployment_id
        self.token = token
        self._gateway = gateway
        self._pid = pid
        self._log = log
        self._stop = stop
        self._pause_s = pause_s
        self._wait = wait

    def attach(self) -> bool:
        """Say who asks; False when a stop came first.

        Raises
        ------
        GatewayRefusedError
            The gateway does not let this kernel trade.
        """
        reply = self.ask(
            Attach(
                version=PROTOCOL_VERSION, deployment_id=self.deployment_id, token=self.token, pid=self._pid
            )
        )
        match reply:
            case None:
                return False
            case Attached(version=version, acked=acked, killed=killed):
                if version != PROTOCOL_VERSION:
                    raise GatewayRefusedError(
                        f"the gateway speaks version {version}, this kernel {PROTOCOL_VERSION}; restart both"
                    )
                self._log.info("attached", acked=acked, killed=killed)
                return True
            case Refused(reason=reason):
                raise GatewayRefusedError(f"the gateway refused deployment {self.deployment_id}: {reason}")
            case other:
                raise GatewayRefusedError(f"expected the gateway's welcome, found {other!r}")

    def attach_again(self, reason: str) -> None:
        """A gateway that was restarted does not know this kernel yet; one that refuses it says so here."""
        self._log.warning("the gateway asks to attach again", reason=reason)
        self.attach()

    def answered(self, request: KernelRequest, kind: type[_Reply], *, what: str) -> _Reply | None:
        """The answer to an intent, asked once more after a refusal; None when a stop came first.

        Raises
        ------
        GatewayRefusedError
            It was refused again, or answered with something else than `what`.
        """
        result = self.ask(request)
        if isinstance(result, Refused):
            self.attach_again(result.reason)
            result = self.ask(request)
        if result is None or isinstance(result, kind):
            return result
        raise GatewayRefusedError(f"expected {what}, found {result!r}")

    def ask(self, request: KernelRequest) -> KernelReply | None:
        """The gateway's answer; None when it is silent and a stop was asked for."""
        silent = False
        while True:
            try:
                return self._gateway.ask(request)
            except GatewayUnreachableError as silence:
                if not silent:
                    self._log.warning("the gateway is silent", detail=str(silence))
                    silent = True
                self._wait("the gateway does not answer")
                if self._stop.wait(self._pause_s):
                    return None
