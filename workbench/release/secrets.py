"""Looking for what must never be in a notebook: keys, tokens, passwords."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode

__all__ = ["Suspicion", "find_secrets"]

_PATTERNS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an OANDA token": re.compile(r"\b[0-9a-f]{32}-[0-9a-f]{32}\b"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
    "a Slack token": re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{10,}\b"),
    "an API key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}\b"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"{}]+:[^\s/@'\"{}]+@"),
    "an authorization header": re.compile(
        r"(?i)\bauthorization['\"]?\s*[:=]\s*['\"]\s*(?:bearer|basic)\s+\S+"
    ),
}
_ASSIGNED = re.compile(
    r"(?i)\b\w*(?:passw(?:or)?d|secret|token|api_?key|access_?key|private_?key|credential)\w*['\"]?\]?\s*"
    r"(?::\s*[\w\[\], |.]+)?[=:]\s*[rbf]{0,2}(['\"])(?P<value>[^'\"\s]{6,})\1"
)
_LONG = re.compile(r"(['\"])(?P<value>[A-Za-z0-9+/_=-]{32,})\1")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{32}")  # of data and commits
_PER_LETTER = 4.2  # bits; words and paths stay below


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Something that looks like a secret; the text itself is not repeated."""

    cell: int  # counted from 1 over all cells
    line: int
    what: str


def find_secrets(node: NotebookNode) -> list[Suspicion]:
    """What looks like a secret in the sources of a notebook's cells, prose included."""
    return [
        Suspicion(cell=number, line=line, what=what)
        for number, cell in enumerate(node.cells, start=1)
        for line, what in _in_text(cell.source)
    ]


def _in_text(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        found = next((what for what, pattern in _PATTERNS.items() if pattern.search(line)), "")
        if not found and _ASSIGNED.search(line):
            found = "a value given to a name like password or token"
        if not found and any(_looks_random(match["value"]) for match in _LONG.finditer(line)):
            found = "a long random text"
        if found:
            yield number, found


def _looks_random(value: str) -> bool:
    if _DIGEST.fullmatch(value):
        return False
    counts = [value.count(letter) / len(value) for letter in set(value)]
    entropy = -sum(share * math.log2(share) for share in counts)
    return entropy > _PER_LETTER and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
