"""Which code made a result: the git commit of a folder, or the package's version."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from workbench import __version__

__all__ = ["CodeVersion", "code_version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVersion:
    """A version of code."""

    name: str  # the commit, or "forex-workbench 0.1.0" outside a repository
    dirty: bool  # tracked files were changed since

    def __str__(self) -> str:
        return f"{self.name}{' (changed since)' if self.dirty else ''}"


def code_version(folder: Path) -> CodeVersion:
    """The version of the code in `folder`; files that git does not know are not looked at."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return CodeVersion(name=f"forex-workbench {__version__}", dirty=False)
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return CodeVersion(name=commit, dirty=bool(changes))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "--no-optional-locks", *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
