"""The monitor in a real browser: over a real gateway, served by Voila as `workbench up` serves it."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.dashboards.desk import Desk, Voila, desk_running, private_sockets, voila_running, wait_for
from tests.dashboards.looking import BLUE_PIXELS, CUT_OFF, FAINT, PICTURE
from tests.gateway.bench import Kernel
from workbench.store import open_store

pytestmark = pytest.mark.browser

STOP_KEPT = "Stop 10_sma_cross on account-of-kept…"
KEEP, NO = "Yes, stop and keep the position", "No, let it run"


@pytest.fixture(scope="module", autouse=True)
def _sockets() -> Iterator[None]:
    with private_sockets():
        yield


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, _sockets: None) -> Iterator[Desk]:
    """A desk with a real gateway."""
    with desk_running(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(desk: Desk) -> Kernel:
    """The kernel of a deployment that goes on trading."""
    return desk.deploy("main", bars=30)


@pytest.fixture(scope="module")
def voila(desk: Desk, kernel: Kernel) -> Iterator[Voila]:
    """Voila for people who may stop."""
    with voila_running(desk.settings.home, role="operator") as running:
        yield running


@pytest.fixture(scope="module")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that stays logged in; it may reach nothing but this machine."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture(scope="module")
def requested() -> list[str]:
    """Every address the page asked for and the browser did not refuse by the page's own policy."""
    return []


@pytest.fixture(scope="module")
def monitor(voila: Voila, shared_context: BrowserContext, requested: list[str]) -> Page:
    """The monitor, opened once."""
    return _open(shared_context, voila, requested=requested)


def _open(context: BrowserContext, voila: Voila, *, requested: list[str] | None = None) -> Page:
    page = context.new_page()
    if requested is not None:
        page.on("requestfinished", lambda request: requested.append(request.url))
        page.on(
            "requestfailed",
            lambda request: requested.append(request.url) if request.failure != "csp" else None,
        )
    page.goto(voila.monitor, wait_until="commit")
    expect(page.get_by_text("GATEWAY")).to_be_visible(timeout=60_000)
    return page


def _card(page: Page, name: str) -> Locator:
    return page.locator(".wb-card").filter(has_text=f"Deployment {name},")


def _kernel_id(page: Page) -> str:
    config = page.locator("#jupyter-config-data").text_content()
    return str(json.loads(config or "")["kernelId"])


class Channel:
    """What somebody who is logged in can send to a page's kernel."""

    def __init__(self, voila: Voila, kernel_id: str) -> None:
        address = f"ws://127.0.0.1:{voila.port}/api/kernels/{kernel_id}/channels"
        self._line = websocket.create_connection(
            address, header=[f"Authorization: token {voila.token}"], timeout=20
        )

    def send(self, kind: str, content: dict[str, Any], *, channel: str = "shell") -> str:
        """Send a message; its id."""
        name = uuid.uuid4().hex
        header = {
            "msg_id": name,
            "msg_type": kind,
            "session": "s",
            "username": "u",
            "version": "5.3",
            "date": "",
        }
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self._line.send(json.dumps({**message, "channel": channel, "buffers": []}))
        return name

    def until(self, kind: str, parent: str) -> tuple[dict[str, Any], list[str]]:
        """The content of the answer of a kind to a message, and the kinds of the answers to others before."""
        others = []
        while True:
            message = json.loads(self._line.recv())
            if message["parent_header"].get("msg_id") == parent and message["msg_type"] == kind:
                return message["content"], others
            others.append(message["msg_type"])

    def close(self) -> None:
        """Hang up."""
        self._line.close()


# --- who gets in ---------------------------------------------------------------------------------------


def test_without_the_token_there_is_a_login_page_and_nothing_else(voila: Voila, monitor: Page) -> None:
    page = requests.get(f"{voila.url}/voila/render/monitor.ipynb", timeout=10, allow_redirects=False)
    assert page.status_code == 302
    assert page.headers["Location"].startswith("/login?")
    kernel = f"/api/kernels/{_kernel_id(monitor)}"
    assert requests.get(f"{voila.url}{kernel}", timeout=10, allow_redirects=False).status_code == 403
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(f"ws://127.0.0.1:{voila.port}{kernel}/channels", timeout=10)


def test_a_name_that_is_not_this_machines_is_refused(voila: Voila) -> None:
    headers = {"Host": f"evil.example:{voila.port}", "Authorization": f"token {voila.token}"}
    assert requests.get(f"{voila.url}/voila/tree", headers=headers, timeout=10).status_code == 403


def test_the_token_is_in_no_log(voila: Voila, monitor: Page) -> None:
    assert voila.get(f"/nowhere?token={voila.token}").status_code == 404
    assert voila.token not in voila.log.read_text()


def test_the_labs_own_interface_is_not_there(voila: Voila) -> None:
    paths = [
        "/api/kernels",
        "/api/contents",
        "/api/sessions",
        "/api/terminals",
        "/lab",
        "/workbench/api/v1/runs",
    ]
    assert [voila.get(path).status_code for path in paths] == [404] * len(paths)


@pytest.mark.parametrize(
    "path",
    [
        "/voila/render/../10_sma_cross.ipynb",
        "/voila/render/..%2F10_sma_cross.ipynb",
        "/voila/render/%2e%2e/10_sma_cross.ipynb",
        "/voila/render//etc/passwd",
        "/voila/files/../../pyproject.toml",
        "/voila/files/..%2f..%2fpyproject.toml",
        "/voila/files/monitor.ipynb",
        "/voila/static/../../../../../../etc/passwd",
        "/voila/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/voila/templates/lab/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/voila/labextensions/..%2f..%2f..%2fetc%2fpasswd",
        "/voila/api/contents/..%2f10_sma_cross.ipynb",
    ],
)
def test_no_path_leads_out_of_the_dashboards(voila: Voila, path: str) -> None:
    answer = voila.get(path)
    assert answer.status_code >= 400
    assert "root:" not in answer.text
    assert "forex-workbench" not in answer.text


# --- what a page shows -----------------------------------------------------------------------------------


def test_a_person_reads_what_each_deployment_does(monitor: Page, desk: Desk) -> None:
    card = _card(monitor, "main")
    expect(card.get_by_role("heading", level=2)).to_have_text(
        "10_sma_cross on account-of-main (paper account) TRADING"
    )
    expect(card).to_contain_text("Market time: Tue 05 Dec 2017 06:00 UTC")  # 30 hours from Monday 00:00
    expect(card).to_contain_text(f"{desk.state('main')['equity'] / 1e6:,.2f} USD")
    expect(card.get_by_role("table", name="Last executions").get_by_role("row")).to_have_count(9)
    expect(monitor).to_have_title("Monitor")


def test_the_curve_is_drawn_and_moves_as_bars_come_in(monitor: Page, kernel: Kernel) -> None:
    card = _card(monitor, "main")
    wait_for(lambda: card.evaluate(BLUE_PIXELS) > 100, "a curve")
    before = card.evaluate(PICTURE)
    kernel.run(most=12)
    expect(card).to_contain_text("Market time: Tue 05 Dec 2017 18:00 UTC")
    expect(card).to_contain_text("to Tue 05 Dec 2017 18:00 UTC: lowest")
    wait_for(lambda: card.evaluate(PICTURE) != before, "another curve")
    assert card.evaluate(BLUE_PIXELS) > 100


def test_nothing_outside_this_machine_is_asked_for(monitor: Page, voila: Voila, requested: list[str]) -> None:
    assert len(requested) > 10
    assert [url for url in requested if not url.startswith((voila.url, "data:", "blob:"))] == []


def test_two_viewers_see_the_same(monitor: Page, voila: Voila, browser: Browser, kernel: Kernel) -> None:
    with browser.new_context() as context:
        other = _open(context, voila)
        kernel.run(most=2)
        for page in (monitor, other):
            expect(_card(page, "main")).to_contain_text("Market time: Tue 05 Dec 2017 20:00 UTC")
        shown = [_card(page, "main").inner_text() for page in (monitor, other)]
        assert shown[0] == shown[1]
        assert _kernel_id(monitor) != _kernel_id(other)


def test_the_address_changes_neither_template_nor_theme(voila: Voila) -> None:
    asked = "theme=dark&template=reveal&voila-theme=dark&voila-template=reveal"
    text = voila.get(f"/voila/render/monitor.ipynb?{asked}").text
    assert '<body class="jp-Notebook theme-light"' in text
    assert 'class="reveal"' not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(monitor: Page, scheme: Any) -> None:
    monitor.emulate_media(color_scheme=scheme)
    faint = monitor.locator(".wb-monitor").evaluate(FAINT)
    monitor.emulate_media(color_scheme="light")
    assert faint == []


def test_nothing_is_cut_off_on_a_narrow_screen(monitor: Page) -> None:
    monitor.set_viewport_size({"width": 420, "height": 900})
    try:
        wait_for(lambda: monitor.locator(".wb-monitor").evaluate(CUT_OFF) == [], "a page that fits")
    finally:
        monitor.set_viewport_size({"width": 1300, "height": 1000})


# --- stopping ----------------------------------------------------------------------------------------------


def _holding(desk: Desk, deployment_id: str) -> None:
    kernel = desk.deploy(deployment_id, bars=5)
    while not desk.state(deployment_id)["position"]:
        kernel.step()


def test_stopping_by_keyboard_asks_first_then_stops_at_the_gateway_and_says_so(
    monitor: Page, desk: Desk
) -> None:
    _holding(desk, "kept")
    card = _card(monitor, "kept")
    card.get_by_role("button", name=STOP_KEPT).focus()
    monitor.keyboard.press("Enter")
    expect(card.get_by_text("Stop 10_sma_cross on account-of-kept?")).to_be_visible()
    expect(card.get_by_role("button", name=NO)).to_be_focused()
    assert desk.state("kept")["state"] == "running"
    monitor.keyboard.press("Enter")
    expect(card.get_by_role("button", name=STOP_KEPT)).to_be_focused()
    assert desk.state("kept")["state"] == "running"
    monitor.keyboard.press("Enter")
    expect(card.get_by_role("button", name=NO)).to_be_focused()
    monitor.keyboard.press("Tab")
    expect(card.get_by_role("button", name=KEEP)).to_be_focused()
    monitor.keyboard.press("Enter")
    expect(card).to_contain_text("kept is stopped; its position is kept.")
    expect(card.get_by_role("heading", level=2)).to_contain_text("STOPPED")
    expect(card.get_by_role("button")).to_have_count(0)
    stopped = desk.state("kept")
    assert (stopped["state"], stopped["detail"]) == ("stopped", "stopped by alex")
    assert stopped["position"] != 0
    expect(_card(monitor, "main").get_by_role("heading", level=2)).to_contain_text("TRADING")


def test_a_viewer_is_offered_no_stop_and_can_forge_none(browser: Browser, desk: Desk, monitor: Page) -> None:
    _holding(desk, "forged")
    with (
        voila_running(desk.settings.home, role="viewer") as voila,
        browser.new_context() as context,
    ):
        page = _open(context, voila)
        expect(page.get_by_text("As viewer you may look and not stop.")).to_be_visible()
        expect(_card(page, "forged")).to_be_visible()
        expect(page.get_by_role("button")).to_have_count(0)
        channel = Channel(voila, _kernel_id(page))
        asked = channel.send("comm_info_request", {"target_name": "jupyter.widget"})
        comms = channel.until("comm_info_reply", asked)[0]["comms"]
        assert len(comms) > 10
        click = {"method": "custom", "content": {"event": "click"}}
        for comm in comms:  # the hidden buttons among them, "Yes, stop" of every deployment
            channel.send("comm_msg", {"comm_id": comm, "data": click})
        refusal = "Not stopped: alex is viewer, which may not stop"
        expect(_card(page, "forged")).to_contain_text(refusal)
        channel.close()
    assert desk.state("forged")["state"] == "running"


def test_code_sent_to_a_pages_kernel_is_not_executed(voila: Voila, monitor: Page, tmp_path: Path) -> None:
    channel = Channel(voila, _kernel_id(monitor))
    code = f"open({str(tmp_path / 'executed')!r}, 'w').close()"
    for kind in ("shell", "control"):
        channel.send("execute_request", {"code": code, "silent": False}, channel=kind)
        channel.send("complete_request", {"code": code, "cursor_pos": 4}, channel=kind)
        channel.send("inspect_request", {"code": "open", "cursor_pos": 4}, channel=kind)
        channel.send("debug_request", {"type": "request", "command": "evaluate"}, channel=kind)
    asked = channel.send("kernel_info_request", {})  # which is answered, after whatever came before it
    _, others = channel.until("kernel_info_reply", asked)
    channel.close()
    assert {name for name in others if name.endswith("_reply")} <= {"comm_info_reply", "kernel_info_reply"}
    assert not (tmp_path / "executed").exists()


# --- when something is away ----------------------------------------------------------------------------


def test_a_page_says_that_the_gateway_is_away_and_keeps_the_last_state(monitor: Page, desk: Desk) -> None:
    card = _card(monitor, "main")
    equity = f"{desk.state('main')['equity'] / 1e6:,.2f} USD"
    desk.end_gateway()
    try:
        expect(monitor.get_by_text("GATEWAY NOT REACHED")).to_be_visible()
        expect(card.get_by_role("heading", level=2)).to_contain_text("NOT TRADING")
        expect(card).to_contain_text("the gateway does not answer, so no order can be sent now")
        expect(card).to_contain_text(equity)
    finally:
        desk.start_gateway()
    expect(monitor.get_by_text("GATEWAY RUNNING")).to_be_visible()
    expect(card.get_by_role("heading", level=2)).to_contain_text("TRADING")


def test_a_page_opened_before_anything_was_started_says_so_and_fills_by_itself(
    browser: Browser, tmp_path: Path, picture: Callable[[Page, str], Path]
) -> None:
    with voila_running(tmp_path, role="operator") as voila, browser.new_context() as context:
        page = context.new_page()
        page.goto(voila.monitor, wait_until="commit")
        expect(page.get_by_text("The workbench has not been started here yet")).to_be_visible(timeout=60_000)
        picture(page, "monitor-not-started")
        for name in ("workbench.db", "gateway.db"):
            open_store(f"sqlite:///{tmp_path / name}").dispose()
        expect(page.get_by_text("Nothing is deployed yet.")).to_be_visible(timeout=20_000)
