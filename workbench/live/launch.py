"""What a supervisor hands to the live kernel it starts, and where the two keep their files.

The order to launch, with the session's secret in it, goes through the kernel's standard input: it is
never in an argument, in the environment or on the disk.
"""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from workbench.domain.allowance import Allowance
from workbench.live.errors import SupervisorError

__all__ = ["Launch", "Places", "WarmUp", "write_connection_file"]

_LONGEST_SOCKET = 107  # bytes of a Unix socket's path


class WarmUp(msgspec.Struct, frozen=True, kw_only=True):
    """The bars a strategy has seen before its first live one."""

    instrument: str
    timeframe: str
    fingerprint: str  # of the release's pinned data
    until_ns: int  # bars that were closed by then


class Launch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One start of one deployment's live kernel."""

    deployment_id: str
    release_id: str
    account_id: str
    token: str  # the session secret the gateway knows by its hash
    gateway_socket: str
    folder: str  # the deployment's: log, executed notebook
    private: str  # of this launch: sockets, connection file, sign of life
    lease: str  # a file whose lock is the account's lease
    market_dir: str
    store_url: str
    spec_digest: str
    instruments: tuple[str, ...]
    timeframe: str
    warm_up: tuple[WarmUp, ...]
    feed: str = "replay"  # its kind
    others: tuple[str, ...] = ()  # not traded: looked at, and converted by
    currency: str = ""  # of the account; that of the first instrument's quotes when empty
    allowance: Allowance = Allowance()


@dataclass(frozen=True, slots=True)
class Places:
    """Where one deployment's files are."""

    folder: Path  # kept
    private: Path  # mode 0700, for as long as the kernel runs

    @property
    def connection_file(self) -> Path:
        """How to reach the kernel; removed as soon as its notebook has run."""
        return self.private / "kernel.json"

    @property
    def beat(self) -> Path:
        """The kernel's sign of life."""
        return self.private / "beat.json"

    @property
    def seal(self) -> Path:
        """Written when the notebook has run: the kernel cuts itself off."""
        return self.private / "seal"

    @property
    def log(self) -> Path:
        """The kernel's JSON log."""
        return self.folder / "live.log"

    @property
    def output(self) -> Path:
        """What the kernel's process wrote to its standard output and error."""
        return self.folder / "kernel.out"

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / "notebook.ipynb"

    @property
    def memory(self) -> Path:
        """What the supervisor must know after its own restart."""
        return self.folder / "supervisor.json"

    def prepare(self) -> None:
        """Make the folders, the private one empty."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.clear()
        self.private.mkdir(mode=0o700, parents=True)

    def clear(self) -> None:
        """Remove what only a running kernel needs."""
        shutil.rmtree(self.private, ignore_errors=True)

    def cut_off(self) -> None:
        """Remove the connection file and the kernel's sockets: nobody can connect any more."""
        self.connection_file.unlink(missing_ok=True)
        for socket in self.private.glob("k-*"):
            socket.unlink(missing_ok=True)


def write_connection_file(places: Places) -> Path:
    """A fresh connection file with a key of its own, for Unix sockets in the private folder.

    Raises
    ------
    SupervisorError
        The sockets' paths would be too long.
    """
    stem = places.private / "k"
    if len(os.fsencode(stem)) + 2 > _LONGEST_SOCKET:
        raise SupervisorError(
            f"expected socket paths of at most {_LONGEST_SOCKET} bytes, found {stem}-1; "
            "set XDG_RUNTIME_DIR to a shorter folder"
        )
    names = ("shell", "iopub", "stdin", "control", "hb")
    content = {
        "transport": "ipc",
        "ip": str(stem),
        **{f"{name}_port": number for number, name in enumerate(names, start=1)},
        "key": secrets.token_hex(32),
        "signature_scheme": "hmac-sha256",
        "kernel_name": "workbench",
    }
    handle = os.open(places.connection_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    return places.connection_file
