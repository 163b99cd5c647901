"""What the shipped `jupyter_config.py` lets in, asked of a real JupyterLab."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.browser.lab import Lab, lab_running
from tests.server.seeding import make_settings

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    settings = make_settings(folder)
    (settings.project / "notebooks" / "open.txt").write_text("to be read")
    (settings.project / ".hidden").write_text("not to be read")
    with lab_running(settings, folder) as running:
        yield running
        log = (folder / "lab.log").read_text()
        assert running.token not in log


def ask(lab: Lab, path: str, **headers: str) -> requests.Response:
    known = {"Authorization": f"token {lab.token}", **headers}
    return requests.get(f"{lab.url}{path}", headers=known, timeout=30, allow_redirects=False)


@pytest.mark.parametrize("path", ["/api/contents", "/api/kernels", "/workbench/api/v1/me", "/scheduler/jobs"])
def test_nothing_is_told_without_the_token(lab: Lab, path: str) -> None:
    assert requests.get(f"{lab.url}{path}", timeout=30, allow_redirects=False).status_code in (302, 403)
    assert ask(lab, path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/terminals", "/lsp/status", "/voila/render/x.ipynb", "/panel-preview/render/x.ipynb"]
)
def test_extensions_that_are_not_on_the_list_are_not_there(lab: Lab, path: str) -> None:
    assert ask(lab, path).status_code == 404


def test_hidden_files_are_not_served(lab: Lab) -> None:
    assert ask(lab, "/api/contents/notebooks/open.txt").json()["content"] == "to be read"
    assert ask(lab, "/api/contents/.hidden").status_code == 404
    assert ask(lab, "/files/.hidden").status_code == 404


def test_another_name_for_this_machine_is_refused(lab: Lab) -> None:
    assert ask(lab, "/api/contents", Host="evil.example").status_code == 403


def test_another_page_may_not_read(lab: Lab) -> None:
    session = requests.Session()
    session.get(f"{lab.url}/api/me", headers={"Authorization": f"token {lab.token}"}, timeout=30)
    address = f"{lab.url}/workbench/api/v1/me"
    assert session.get(address, timeout=30).status_code == 200
    answer = session.get(address, headers={"Origin": "http://evil.example"}, timeout=30)
    assert answer.status_code == 404
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_it_listens_on_loopback_alone(lab: Lab) -> None:
    import psutil

    port = int(lab.url.rpartition(":")[2])
    listening = {
        item.laddr.ip for item in psutil.net_connections("tcp") if item.laddr.port == port and not item.raddr
    }
    assert listening == {"127.0.0.1"}


def test_a_kernel_is_encrypted_and_its_files_are_nobody_elses(lab: Lab) -> None:
    headers = {"Authorization": f"token {lab.token}"}
    started = requests.post(f"{lab.url}/api/kernels", json={"name": "python3"}, headers=headers, timeout=60)
    assert started.status_code == 201
    runtime = lab.settings.home.parent / "jupyter" / "runtime"
    modes = {path.name: path.stat().st_mode & 0o077 for path in Path(runtime).iterdir() if path.is_file()}
    assert modes
    assert set(modes.values()) == {0}
    connection = json.loads((runtime / f"kernel-{started.json()['id']}.json").read_text())
    assert connection["curve_publickey"]  # else every user of the machine can read what goes over loopback
    requests.delete(f"{lab.url}/api/kernels/{started.json()['id']}", headers=headers, timeout=30)
