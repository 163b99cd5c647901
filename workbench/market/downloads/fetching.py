"""GET a file until it is whole: at a polite rate, again after failures, into place in one step."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType

import httpx
import tenacity

from workbench.market.downloads.errors import DownloadError, DownloadRefusedError

__all__ = ["Fetcher", "remove_stale_parts", "write_whole"]

_MOST_BYTES = 256 << 20
_LONGEST_WAIT_S = 120.0
_SHOWN = 200
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class _TryAgainError(Exception):
    """The last attempt failed in a way that the next may not."""

    def __init__(self, what: str, *, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


@dataclass(slots=True)
class _Pace:
    """Not more than so many requests a second."""

    interval_s: float
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    next_at: float = 0.0

    def wait(self) -> None:
        now = self.clock()
        if now < self.next_at:
            self.sleep(self.next_at - now)
            now = self.clock()
        self.next_at = max(now, self.next_at) + self.interval_s


class Fetcher:
    """A client for GET requests of whole bodies.

    Parameters
    ----------
    headers
        Sent with every request to `base_url` and to nowhere else: redirects are not followed.
    attempts
        How often a request is tried in all; waits in between double from half a second, or are what the
        server asks for.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        requests_per_second: float = 5.0,
        attempts: int = 6,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if requests_per_second <= 0 or attempts < 1:
            raise ValueError("expected a rate above 0 and at least one attempt")
        self.base_url = base_url.rstrip("/")
        self._attempts, self._sleep = attempts, sleep
        self._pace = _Pace(1.0 / requests_per_second, sleep, clock)
        self._secrets = [word for value in (headers or {}).values() for word in value.split()[-1:]]
        self._headers = {"User-Agent": "forex-workbench", **(headers or {})}
        self._client = self._connected()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        whole: Callable[[bytes], str | None],
    ) -> bytes | None:
        """The body at `path`, or None when the server has nothing there (404).

        Parameters
        ----------
        whole
            Says what is wrong with a body, or None when it is whole; a wrong one is fetched again.

        Raises
        ------
        DownloadRefusedError
            The server answered that it will not give it.
        DownloadError
            All attempts failed.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_TryAgainError),
            sleep=self._sleep,
            before_sleep=self._reconnect,
            reraise=True,
        )
        try:
            return retrying(self._once, path, params, whole)
        except _TryAgainError as error:
            raise DownloadError(
                f"{self.base_url}{path}: {self._attempts} attempts failed, the last: {error}; try again "
                "later, what "
                "was fetched is kept"
            ) from None

    def _connected(self) -> httpx.Client:
        return httpx.Client(headers=self._headers, timeout=_TIMEOUT, follow_redirects=False)

    def _reconnect(self, _: tenacity.RetryCallState) -> None:
        """Do not ask again over a connection that the server may be about to close."""
        self._client.close()
        self._client = self._connected()

    def _once(
        self, path: str, params: Mapping[str, str] | None, whole: Callable[[bytes], str | None]
    ) -> bytes | None:
        self._pace.wait()
        try:
            with self._client.stream("GET", f"{self.base_url}{path}", params=params) as answer:
                if answer.status_code == 200:
                    body = self._body(answer)
                else:
                    self._refuse(answer, path)
                    return None
        except httpx.TransportError as error:
            raise _TryAgainError(f"{type(error).__name__}: {error}") from None
        except httpx.DecodingError as error:
            raise _TryAgainError(f"the body could not be unpacked: {error}") from None
        except httpx.InvalidURL as error:
            raise DownloadRefusedError(
                f"{self.base_url}: expected a URL, found what is none: {error}"
            ) from None
        wrong = whole(body)
        if wrong is not None:
            raise _TryAgainError(f"the body is not whole: {wrong}")
        return body

    def _body(self, answer: httpx.Response) -> bytes:
        parts, size = [], 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > _MOST_BYTES:
                raise DownloadRefusedError(
                    f"{answer.url}: expected at most {_MOST_BYTES:,} bytes, found more; this is no file of "
                    "quotes"
                )
            parts.append(part)
        return b"".join(parts)

    def _refuse(self, answer: httpx.Response, path: str) -> None:
        """Raise what the status means; nothing for 404."""
        status = answer.status_code
        if status == 404:
            return
        if status in _AGAIN:
            raise _TryAgainError(f"HTTP {status}", wait_s=_retry_after(answer.headers.get("Retry-After")))
        said = ""
        with suppress(httpx.HTTPError):
            said = " ".join(answer.read()[:_SHOWN].decode("utf-8", "replace").split())
        for secret in self._secrets:
            said = said.replace(secret, "…")
        advice = {
            400: "the server did not understand it",
            401: "the token was not accepted",
            403: "the token may not read this",
        }.get(status, "it will not give it")
        raise DownloadRefusedError(
            f"{self.base_url}{path}: HTTP {status}, {advice}{': ' + said if said else ''}"
        )


def write_whole(path: Path, body: bytes) -> None:
    """Put a file in place at once: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_stale_parts(folder: Path) -> None:
    """Remove what processes that are no more have left unfinished."""
    for part in folder.rglob(".*.part"):
        pid = part.name.rsplit(".", 2)[-2]
        if pid.isdecimal() and not _is_running(int(pid)):
            part.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, _TryAgainError) and error.wait_s is not None:
        return min(error.wait_s, _LONGEST_WAIT_S)
    return min(0.5 * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT_S)


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
