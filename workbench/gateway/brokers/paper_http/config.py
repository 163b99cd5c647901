"""How a paper broker behind HTTP is reached."""

from dataclasses import dataclass, field

__all__ = ["PaperHttpConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperHttpConfig:
    """One account at one server."""

    url: str  # as in http://127.0.0.1:8080
    account_id: str
    token: str = field(repr=False)
    timeout_s: float = 5.0  # from a request to the last byte of its answer
    silence_s: float = 10.0  # a stream that brings nothing for so long is taken for lost
