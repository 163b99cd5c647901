"""The files a service manager, Prometheus and Grafana need, written for one home."""

import getpass
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from workbench.errors import BadInputError

__all__ = ["write_files"]

_NAMES = ("prometheus.yml", "prometheus_rules.yml", "grafana_dashboard.json")
_ODD = frozenset(" \t\n\"'\\%$@")  # what a unit file reads as something else


def write_files(folder: Path, *, home: Path, project: Path, mlruns: Path, user: str = "") -> list[Path]:
    """Write the systemd units, Prometheus' configuration and rules, and Grafana's dashboard into `folder`.

    Parameters
    ----------
    home, project, mlruns
        Stand in the units; made absolute.
    user
        Whom the processes belong to; default: you.

    Raises
    ------
    BadInputError
        A path or the user has a character that a unit file reads as something else.
    """
    values = {
        "@HOME@": str(home.resolve()),
        "@PROJECT@": str(project.resolve()),
        "@MLRUNS@": str(mlruns.resolve()),
        "@USER@": user or getpass.getuser(),
        "@PYTHON@": sys.executable,
    }
    for name, value in values.items():
        if odd := _ODD.intersection(value):
            raise BadInputError(
                f"expected a {name.strip('@').lower()} without spaces, quotes, %, $ and @, found "
                f"{value!r} with {min(odd)!r}; systemd would read it as something else"
            )
    shelf = resources.files("workbench.operations") / "resources"
    texts = {name: (shelf / name).read_text(encoding="utf-8") for name in _NAMES}
    for unit in sorted((shelf / "systemd").iterdir(), key=lambda item: item.name):
        texts[f"systemd/{unit.name}"] = _filled(unit.read_text(encoding="utf-8"), values.items())
    written = []
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _filled(text: str, values: Iterable[tuple[str, str]]) -> str:
    for name, value in values:
        text = text.replace(name, value)
    return text
