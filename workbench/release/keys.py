"""This home's signing keys: Ed25519, made at first use, readable by their owner alone.

Releases and approvals are signed with different keys, so that neither signature can pass for the other.
"""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workbench.release.errors import SigningKeyError

__all__ = ["SigningKey", "signing_key"]


class SigningKey:
    """A key that signs and verifies statements of one purpose."""

    def __init__(self, key: Ed25519PrivateKey, *, purpose: str) -> None:
        self._key = key
        self._prefix = f"workbench {purpose} 1\n".encode()

    def sign(self, statement: bytes) -> str:
        """The signature, hexadecimal."""
        return self._key.sign(self._prefix + statement).hex()

    def verifies(self, statement: bytes, signature: str) -> bool:
        """Whether `signature` is this key's for `statement`, in the one spelling that `sign` gives."""
        try:
            raw = bytes.fromhex(signature)
        except ValueError:
            return False
        if raw.hex() != signature:
            return False
        try:
            self._key.public_key().verify(raw, self._prefix + statement)
        except InvalidSignature:
            return False
        return True


def signing_key(keys_dir: Path, purpose: str) -> SigningKey:
    """The key for `purpose` (``release`` or ``approval``), made when there is none.

    Raises
    ------
    SigningKeyError
        Others can read the key, it belongs to somebody else, or it is no Ed25519 key.
    """
    path = keys_dir / f"{purpose}-signing.pem"
    if not path.exists():
        _make(path)
    return SigningKey(_load(path), purpose=purpose)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster: its key counts
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()


def _load(path: Path) -> Ed25519PrivateKey:
    found = path.stat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise SigningKeyError(
            f"expected {path} to be readable by you alone (mode 0600), found mode "
            f"{stat.S_IMODE(found.st_mode):04o} of user {found.st_uid}; if nobody else read it, chmod 600 it"
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise SigningKeyError(f"expected a private key in {path}, could not read it: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"expected an Ed25519 key in {path}, found {type(key).__name__}")
    return key
