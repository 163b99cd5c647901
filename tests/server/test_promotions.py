"""A promotion runs in a process of its own, and everybody sees how far it is."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server.conftest import TOKENS
from tests.server.serving import API, LabServer
from workbench.errors import BadInputError
from workbench.server.errors import PromotionRunningError
from workbench.server.promotion_worker import subject_of
from workbench.server.promotions import Promotions
from workbench.settings import Settings

GATES = ({"name": "complete", "title": "Notebook complete"}, {"name": "limits", "title": "Limits set"})


def worker(*lines: object, sleep_s: float = 0.0, code: int = 0) -> tuple[str, ...]:
    """A process that says these lines, as the real one does."""
    said = "".join(json.dumps(line) + "\n" for line in lines)
    script = (
        f"import sys, time; request = sys.stdin.read(); sys.stdout.write({said!r}); sys.stdout.flush(); "
        f"time.sleep({sleep_s}); sys.stderr.write('noise\\nValueError: the last word\\n'); sys.exit({code})"
    )
    return (sys.executable, "-c", script)


def promotions(tmp_path: Path, command: tuple[str, ...]) -> Promotions:
    return Promotions(gates=GATES, environment={}, folder=tmp_path, command=command)


async def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_gates_are_shown_one_by_one_and_then_the_release(tmp_path: Path) -> None:
    gate = {"name": "complete", "title": "Notebook complete", "state": "passed", "detail": "9 cells ran"}
    ended = {"state": "promoted", "detail": "Release waits.", "release_id": "ab" * 32}
    room = promotions(tmp_path, worker({"gate": gate}, ended))
    begun = room.begin({"run_id": "r-1"}, subject="r-1", by="sarah")
    assert [item["state"] for item in begun["gates"]] == ["waiting", "waiting"]
    await until(lambda: room.list()[0]["state"] != "running")
    shown = room.list()[0]
    assert (shown["state"], shown["release_id"], shown["by"]) == ("promoted", "ab" * 32, "sarah")
    assert [item["state"] for item in shown["gates"]] == ["passed", "waiting"]
    assert shown["gates"][0]["detail"] == "9 cells ran"


async def test_a_process_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    room = promotions(tmp_path, worker(code=3))
    room.begin({"run_id": "r-1"}, subject="r-1", by="sarah")
    await until(lambda: room.list()[0]["state"] == "failed")
    assert room.list()[0]["detail"] == "the promotion's process ended with 3: ValueError: the last word"


async def test_the_same_subject_is_not_promoted_twice_at_once(tmp_path: Path) -> None:
    room = promotions(tmp_path, worker(sleep_s=30))
    room.begin({"run_id": "r-1"}, subject="r-1", by="sarah")
    with pytest.raises(PromotionRunningError, match="r-1 is being promoted already"):
        room.begin({"run_id": "r-1"}, subject="r-1", by="alex")
    await room.close()


async def test_closing_ends_the_process_and_its_children(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '60']);"
        "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(60)"
    )
    room = promotions(tmp_path, (sys.executable, "-c", script, str(tmp_path / "pid")))
    room.begin({"run_id": "r-1"}, subject="r-1", by="sarah")
    written = tmp_path / "pid"
    await until(lambda: written.is_file() and written.read_text() != "")
    grandchild = psutil.Process(int(written.read_text()))
    await room.close()
    assert psutil.wait_procs([grandchild], timeout=10)[1] == [] or not grandchild.is_running()


def test_a_notebook_outside_the_project_is_not_promoted(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "outside.ipynb").write_text("{}")
    inside = settings.project / "notebooks" / "mine.ipynb"
    inside.write_text("{}")
    assert subject_of({"run_id": None, "notebook": "notebooks/mine.ipynb"}, settings) == inside.resolve()
    assert subject_of({"run_id": "r-1", "notebook": None}, settings) == "r-1"
    for path in ("../outside.ipynb", str(tmp_path / "outside.ipynb"), "notebooks", "notebooks/none.ipynb"):
        with pytest.raises(BadInputError, match="expected a notebook under the project"):
            subject_of({"run_id": None, "notebook": path}, settings)


def test_a_refusal_by_the_real_gates_reaches_who_asked(server: LabServer, settings: Settings) -> None:
    notebook = settings.project / "notebooks" / "broken.ipynb"
    notebook.write_text("this is no notebook")
    body: dict[str, Any] = {"notebook": "notebooks/broken.ipynb"}
    response = server.ask(f"{API}/promote", token=TOKENS["researcher"], body=body)
    assert response.status_code == 202
    deadline = time.monotonic() + 90
    shown: dict[str, Any] = {}
    while time.monotonic() < deadline:
        shown = server.ask(f"{API}/promotions", token=TOKENS["viewer"]).json()["promotions"][0]
        if shown["state"] != "running":
            break
        time.sleep(0.2)
    assert shown["state"] == "failed"
    assert "broken.ipynb" in shown["detail"]
    assert shown["by"] == "researcher-person"
