"""Accounts at a broker outside the gateway's process: where they are, their secrets, how they are reached.

An account's credential is a file of its own that its owner alone may read, named as the account; it is in no
notebook, no parameter, no journal and no process list. The gateway reads it whenever it connects an account.
"""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workbench.errors import BadInputError
from workbench.gateway.brokers.paper_http import PaperHttpBroker, PaperHttpConfig
from workbench.gateway.brokers.port import Broker, NotAuthorizedError

__all__ = ["OUTSIDE_BROKERS", "Credentials", "OutsideAccount", "connect_outside", "outside_account"]

OUTSIDE_BROKERS = ("paper_http",)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SECRET = re.compile(r"[\x21-\x7e]{1,4096}")
_TIMEOUT_S = 2.0  # the gateway's loop waits for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideAccount:
    """An account as its broker knows it. Two that are equal are one account."""

    broker: str
    url: str
    at_broker: str  # the broker's own id of the account

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.at_broker} of {self.broker} at {self.url}"


def outside_account(broker: str, *, url: str, at_broker: str) -> OutsideAccount:
    """Check where an account is.

    Raises
    ------
    BadInputError
        The broker has no adapter, or the URL is none, holds a secret or is not encrypted on the way.
    """
    if broker not in OUTSIDE_BROKERS:
        raise BadInputError(f"expected a broker of {', '.join(OUTSIDE_BROKERS)}, found {broker!r}")
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise BadInputError(f"expected a URL as in https://host:8443, found {url!r}") from None
    if parts.username is not None or parts.query or parts.fragment:
        raise BadInputError(
            "expected a URL without user, password, ? and #; the credential is asked for and kept in a file "
            "of its own"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise BadInputError(f"expected a URL as in https://host:8443, found {url!r}")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise BadInputError(
            f"expected https for {host}: over http anybody on the way reads the credential "
            "and may send orders"
        )
    if not _NAME.fullmatch(at_broker):
        raise BadInputError(
            f"expected the account's id at the broker, up to 100 letters, digits, . _ and -, "
            f"found {at_broker!r}"
        )
    host = "127.0.0.1" if host == "localhost" else f"[{host}]" if ":" in host else host
    where = f"{parts.scheme}://{host}" + (f":{port}" if port else "") + parts.path.rstrip("/")
    return OutsideAccount(broker=broker, url=where, at_broker=at_broker)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets of accounts, a file each, in a folder of the home."""

    folder: Path

    def read(self, account_id: str) -> str:
        """An account's secret.

        Raises
        ------
        BadInputError
            There is none, or others may read it.
        """
        path = self._path(account_id)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise BadInputError(
                f"account {account_id}: expected its credential in {path}, found: {error.strerror}; give it: "
                f"workbench account credential {account_id}"
            ) from None
        with os.fdopen(handle, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise BadInputError(
                    f"expected {path} to be readable by its owner alone, found mode {mode:04o}; it holds a "
                    f"secret: chmod 600 {path}, and ask the broker for another credential"
                )
            return _checked(file.read(8_192).decode("latin-1").strip(), account_id)

    def check(self, account_id: str, secret: str) -> None:
        """Refuse what is no account's name or no credential.

        Raises
        ------
        BadInputError
            It can not be kept; the message does not repeat it.
        """
        self._path(account_id)
        _checked(secret.strip(), account_id)

    def write(self, account_id: str, secret: str) -> None:
        """Keep an account's secret, in the place of the one before.

        Raises
        ------
        BadInputError
            It is no credential.
        """
        secret, path = _checked(secret.strip(), account_id), self._path(account_id)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}~")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def _path(self, account_id: str) -> Path:
        if not _NAME.fullmatch(account_id):
            raise BadInputError(f"expected an account's name, found {account_id!r}")
        return self.folder / account_id


def connect_outside(account: OutsideAccount, *, credential: Callable[[], str]) -> Broker:
    """The adapter of an account; nothing is asked of the broker yet.

    Parameters
    ----------
    credential
        Called whenever the account is connected, so that a new one counts from the next time on.
    """
    config = PaperHttpConfig(url=account.url, account_id=account.at_broker, token="", timeout_s=_TIMEOUT_S)
    return _KeyedAtConnection(config, credential)


class _KeyedAtConnection(PaperHttpBroker):
    def __init__(self, config: PaperHttpConfig, credential: Callable[[], str]) -> None:
        super().__init__(config)
        self._credential = credential

    def connect(self) -> None:
        """See `Broker`."""
        try:
            self.authorize(self._credential())
        except BadInputError as error:
            raise NotAuthorizedError(str(error)) from None
        super().connect()


def _checked(secret: str, account_id: str) -> str:
    if not _SECRET.fullmatch(secret):
        raise BadInputError(
            f"account {account_id}: expected a credential of 1 to 4,096 printable ASCII characters without "
            f"spaces, found {'none' if not secret else 'something else'}"
        )
    return secret
