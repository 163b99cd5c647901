"""Every route: who may use it, and that what it answers is what the API's description says."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

import workbench.server
from tests.server.conftest import PEOPLE, TOKENS, FakeProcess
from tests.server.seeding import DEPLOYMENT, Seeded
from tests.server.serving import API, LabServer
from workbench.domain.roles import allowed
from workbench.live import add_account
from workbench.store import open_store

DESCRIPTION = yaml.safe_load((Path(workbench.server.__file__).parent / "openapi.yaml").read_text())
SOME_DIGEST = "0" * 64
BODIES: dict[str, dict[str, Any]] = {
    "/promote": {"notebook": "notebooks/nothing.ipynb"},
    "/approve": {"release_id": SOME_DIGEST, "decision": "approved", "reason": "read"},
    "/deploy": {"release_id": SOME_DIGEST, "account_id": "paper-1"},
    "/stop": {"deployment_id": DEPLOYMENT, "flatten": False},
    "/start": {"deployment_id": DEPLOYMENT},
    "/limits": {
        "action": "set",
        "name": "max_order_units",
        "scope": "firm",
        "text": "50000",
        "reason": "test",
    },
    "/override": {
        "action": "ask",
        "deployment_id": DEPLOYMENT,
        "control": "R08",
        "instrument": "EUR_USD",
        "units": -5_000,
        "minutes": 10,
        "reason": "test",
    },
    "/resume": {"deployment_id": DEPLOYMENT},
    "/kill": {"scope": "all", "reason": "test"},
    "/unkill": {"scope": "all", "reason": "test"},
}
ROUTES = [
    (path, method, operation["x-verb"])
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
    if path != "/stream"
]


@cache  # to read and check the description takes longer than an answer
def described(url: str) -> OpenAPI:
    return OpenAPI.from_dict({**DESCRIPTION, "servers": [{"url": f"{url}{API}"}]})


def ask(server: LabServer, path: str, *, role: str = "admin", body: object = None) -> Any:
    """An answer that was checked against the description."""
    response = server.ask(f"{API}{path}", token=TOKENS.get(role, f"token-of-{role}"), body=body)
    described(server.url).validate_response(
        RequestsOpenAPIRequest(response.request), RequestsOpenAPIResponse(response)
    )
    return response


def test_the_description_names_each_route_that_is_served_and_no_other() -> None:
    from workbench.server.handlers import routes

    served = {pattern.removeprefix(API).replace("([0-9a-f]{64})", "{release_id}") for pattern, _ in routes()}
    assert served == set(DESCRIPTION["paths"])


def test_each_route_lets_in_just_the_roles_that_have_its_verb(
    server: LabServer, gateway: FakeProcess
) -> None:
    wrong = []
    for path, method, verb in ROUTES:
        concrete = path.replace("{release_id}", SOME_DIGEST)
        for role in [*PEOPLE, "nobody"]:
            response = ask(server, concrete, role=role, body=BODIES[path] if method == "post" else None)
            if (response.status_code != 403) != allowed(role, verb):
                wrong.append((method, path, role, response.status_code))
    assert wrong == []


def test_the_gateway_is_asked_in_the_name_and_the_role_of_who_is_signed_in(
    server: LabServer, gateway: FakeProcess
) -> None:
    ask(server, "/kill", role="operator", body={"scope": "all", "reason": "odd prices"})
    assert gateway.asked == [("operator-person", "operator", "kill", "all", "odd prices")]


def test_limits_are_changed_in_the_name_of_who_is_signed_in_and_the_others_are_told(
    server: LabServer, gateway: FakeProcess
) -> None:
    answer = ask(server, "/limits", role="approver", body=BODIES["/limits"])
    assert answer.json() == {"said": "max_order_units of firm to 1 waits for a second person."}
    others = ["admin-person", "approver-person"]
    value = {"name": "max_order_units", "scope": "firm", "text": "50000", "reason": "test"}
    assert gateway.asked == [("approver-person", "approver", "limits", "set", {"approvers": others, **value})]
    body = {**BODIES["/limits"], "person": "admin-person"}
    refused = ask(server, "/limits", role="approver", body=body)
    assert refused.status_code == 403
    assert "expected the change of approver-person, who is signed in" in refused.json()["error"]
    assert len(gateway.asked) == 1


def test_the_table_of_limits_is_shown_with_its_controls(server: LabServer) -> None:
    found = ask(server, "/limits", role="viewer").json()
    assert [item["id"] for item in found["controls"]] == [f"R{number:02}" for number in range(1, 27)]
    shown = {item["name"]: (item["control"], item["text"]) for item in found["in_force"]}
    assert shown["max_order_units"] == ("R04", "100,000")
    assert shown["max_daily_loss_ppm"] == ("R12", "2 %")
    assert shown["max_order_value"] == ("R03", "no limit")
    assert all(item["readable"] and item["by"] == "workbench" for item in found["in_force"])


def test_overrides_are_asked_for_signed_and_withdrawn_in_the_name_of_who_is_signed_in(
    server: LabServer, gateway: FakeProcess
) -> None:
    others = ["admin-person", "approver-person"]
    answer = ask(server, "/override", role="approver", body=BODIES["/override"])
    what = f"Override 3 of R08 for {DEPLOYMENT}"
    assert answer.json() == {"said": f"{what} waits for a second person."}
    asked = {name: value for name, value in BODIES["/override"].items() if name != "action"}
    expected = ("approver-person", "approver", "override", "ask", {"approvers": others, **asked})
    assert gateway.asked.pop() == expected
    sign = {"action": "approve", "number": 3, "reason": "seen"}
    said = ask(server, "/override", body=sign).json()["said"]
    assert said == f"{what} lets one order of up to -5,000 units past."
    assert gateway.asked.pop()[2:] == (
        "override",
        "approve",
        {"approvers": others, "number": 3, "reason": "seen"},
    )
    back = {"action": "withdraw", "number": 3, "reason": "done"}
    assert ask(server, "/override", body=back).json()["said"] == f"{what} is withdrawn."
    refused = ask(server, "/override", role="approver", body={**sign, "person": "admin-person"})
    assert refused.status_code == 403
    assert len(gateway.asked) == 1


def test_the_overrides_stand_beside_the_limits_and_their_steps_in_the_history(server: LabServer) -> None:
    table = ask(server, "/limits", role="viewer").json()
    assert table["overridable"] == ["R07", "R08", "R10", "R11", "R17"]
    assert table["override_minutes"] == 0
    (shown,) = table["overrides"]
    assert (shown["state"], shown["by"], shown["approved_by"]) == ("used", "approver-person", "admin-person")
    assert shown["client_order_id"] == "order-7"
    history = ask(server, "/limits/history", role="viewer").json()
    assert [(item["step"], item["by"]) for item in history["overrides"]] == [
        ("asked", "approver-person"),
        ("approved", "admin-person"),
        ("used", ""),
    ]
    assert {item["action"] for item in history["limits"]} == {"set"}


def test_nobody_gets_in_unauthenticated(server: LabServer, gateway: FakeProcess) -> None:
    for path, method, _ in ROUTES:
        concrete = f"{API}{path.replace('{release_id}', SOME_DIGEST)}"
        for token in ("", "wrong"):
            response = server.ask(concrete, token=token, body=BODIES[path] if method == "post" else None)
            assert response.status_code == 403, (path, token, response.text)
            assert set(response.json()) == {"error"}
    assert gateway.asked == []


def signed_in(server: LabServer) -> dict[str, str]:
    """What a browser sends after the login: cookies, and the XSRF token JupyterLab adds to a write."""
    session = requests.Session()
    session.get(f"{server.url}/api/me", headers={"Authorization": f"token {TOKENS['admin']}"}, timeout=30)
    session.get(f"{server.url}/login", timeout=30)
    cookies = {item.name: item.value or "" for item in session.cookies}
    return {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "X-XSRFToken": cookies["_xsrf"],
        "Origin": server.url,
        "Referer": f"{server.url}/lab",
    }


def test_a_browser_that_signed_in_may_write(server: LabServer, gateway: FakeProcess) -> None:
    response = server.ask(f"{API}/kill", body=BODIES["/kill"], headers=signed_in(server))
    assert response.status_code == 200, response.text
    assert len(gateway.asked) == 1


@pytest.mark.parametrize(
    "altered",
    [
        {"Origin": "http://evil.example"},
        {"X-XSRFToken": ""},
        {"X-XSRFToken": "2|made|up|1"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_write_from_another_page_is_refused(
    server: LabServer, gateway: FakeProcess, altered: dict[str, str]
) -> None:
    response = server.ask(f"{API}/kill", body=BODIES["/kill"], headers={**signed_in(server), **altered})
    assert response.status_code in (403, 404)
    assert gateway.asked == []


def test_a_route_tells_in_one_sentence_what_is_wrong_with_a_request(server: LabServer) -> None:
    for path, body, said in [
        ("/stop", {"deployment_id": DEPLOYMENT}, "flatten: Field required"),
        (
            "/stop",
            {"deployment_id": DEPLOYMENT, "flatten": "yes"},
            "flatten: Input should be a valid boolean",
        ),
        ("/kill", {"scope": "everything", "reason": "x"}, "scope: String should match"),
        ("/kill", {"scope": "all", "reason": "  "}, "reason: String should have at least 1"),
        ("/limits", {"action": "raise", "reason": "x"}, "action: Input should be"),
        ("/limits", {"action": "set", "reason": "x"}, "expected name, scope and text to set"),
        ("/limits", {"action": "approve", "reason": "x"}, "expected the version of a change to approve"),
        ("/promote", {"run_id": "a", "notebook": "b.ipynb"}, "expected either run_id or notebook"),
        ("/override", {"action": "ask", "reason": "x"}, "expected deployment_id, control, instrument"),
        ("/override", {"action": "approve", "reason": "x"}, "expected the number of an override to approve"),
        (
            "/override",
            {**BODIES["/override"], "minutes": 16},
            "minutes: Input should be less than or equal to 15",
        ),
        ("/deploy", {"release_id": SOME_DIGEST, "account_id": "a", "feed": {}}, "feed.kind: Field required"),
        ("/promote", {"run_id": "a", "limits": {"max_moon": 1}}, "unknown limit max_moon"),
        (
            "/approve",
            {"release_id": "abc", "decision": "approved", "reason": "x"},
            "release_id: String should",
        ),
        ("/deploy", {"release_id": SOME_DIGEST, "account_id": "a", "extra": 1}, "extra: Extra inputs"),
    ]:
        response = ask(server, path, body=body)
        assert response.status_code == 400, (path, response.text)
        assert said in response.json()["error"]


def test_a_missing_gateway_is_told_with_how_to_start_it(server: LabServer, gateway: FakeProcess) -> None:
    gateway.running = False
    response = ask(server, "/kill", body=BODIES["/kill"])
    assert response.status_code == 503
    assert response.json()["missing"] == "gateway"
    assert "workbench up" in response.json()["error"]
    status = ask(server, "/status").json()
    assert status["gateway"]["state"] == "stopped"
    assert "python -m workbench.gateway" in status["gateway"]["detail"]
    assert ask(server, "/deployments").json()["deployments"][0]["equity"] == "100245.250000"


def test_a_deployment_is_shown_with_its_books_and_its_last_decision(server: LabServer) -> None:
    shown = ask(server, "/deployments").json()["deployments"]
    assert [item["id"] for item in shown] == [DEPLOYMENT]
    assert shown[0]["profit"] == "245.250000"
    assert shown[0]["positions"] == [
        {"instrument": "EUR_USD", "units": 20_000, "average_price": "1.09213", "unrealized": "124.750000"}
    ]
    assert shown[0]["last_decision"]["orders"] == [
        {"instrument": "EUR_USD", "units": 20_000, "reduce_only": False}
    ]


def test_a_release_is_shown_with_its_gates_and_who_approved_it(server: LabServer, seeded: Seeded) -> None:
    shown = {item["name"]: item for item in ask(server, "/releases").json()["releases"]}
    assert shown["sma_cross"]["approval"] == "approved"
    assert [item["approver"] for item in shown["sma_cross"]["approvals"]] == ["david"]
    assert shown["breakout_london"]["approval"] == "waiting"
    assert {gate["state"] for gate in shown["sma_cross"]["gates"]} == {"passed"}


def test_an_altered_release_is_shown_as_not_intact(server: LabServer, seeded: Seeded) -> None:
    path = f"/release/{seeded.approved.id}"
    assert ask(server, path).json()["intact"] is True
    lock = seeded.approved.folder / "requirements.lock"
    lock.chmod(0o644)
    lock.write_text("numpy==0.0\n")
    found = ask(server, path).json()
    assert found["intact"] is False
    assert "requirements.lock" in found["finding"]


def test_a_release_that_is_not_there_is_404(server: LabServer) -> None:
    assert ask(server, f"/release/{SOME_DIGEST}").status_code == 404


def test_a_second_person_approves_and_it_is_shown(server: LabServer, seeded: Seeded) -> None:
    body = {"release_id": seeded.waiting.id, "decision": "approved", "reason": "Read the evidence"}
    response = ask(server, "/approve", role="approver", body=body)
    assert response.status_code == 200
    assert response.json()["approval"] == "approved"
    assert response.json()["approvals"][0]["approver"] == "approver-person"


def test_nobody_decides_in_the_name_of_another(server: LabServer, seeded: Seeded) -> None:
    body = {
        "release_id": seeded.waiting.id,
        "decision": "approved",
        "reason": "x",
        "approver": "somebody else",
    }
    response = ask(server, "/approve", role="approver", body=body)
    assert response.status_code == 403
    assert ask(server, "/releases").json()["releases"][0]["approval"] == "waiting"


def test_an_approved_release_is_deployed_with_a_replay_of_its_own_bars(
    server: LabServer, seeded: Seeded
) -> None:
    body = {
        "release_id": seeded.approved.id,
        "account_id": "paper-2",
        "feed": {"kind": "bars", "start": "2017-03-01", "end": "2017-04-01", "per_second": 50},
    }
    response = ask(server, "/deploy", role="approver", body=body)
    assert response.status_code == 200, response.text
    accounts = {item["id"]: item["held_by"] for item in ask(server, "/accounts").json()["accounts"]}
    assert accounts == {"paper-1": DEPLOYMENT, "paper-2": response.json()["deployment_id"]}


def test_what_may_not_be_deployed_is_refused_with_the_reason(server: LabServer, seeded: Seeded) -> None:
    for release, account, said in [
        (seeded.waiting, "paper-2", "is not approved"),
        (seeded.approved, "paper-1", "trades on account paper-1"),
        (seeded.approved, "paper-9", "unknown account"),
    ]:
        response = ask(server, "/deploy", body={"release_id": release.id, "account_id": account})
        assert response.status_code in (400, 409)
        assert said in response.json()["error"]
    late = {"release_id": seeded.approved.id, "account_id": "paper-2"}
    late["feed"] = {"kind": "bars", "start": "2031-01-01"}
    assert (
        "expected a replay within 2017-01-02 to 2017-12-29"
        in ask(server, "/deploy", body=late).json()["error"]
    )


def test_a_feed_that_an_account_can_not_have_is_refused(server: LabServer, seeded: Seeded) -> None:
    store = open_store(seeded.settings.store_url)
    far = {"url": "https://broker.example", "at_broker": "far"}
    add_account(store, "far-1", balance=Decimal(0), broker="paper_http", settings=far)
    store.dispose()
    release = {"release_id": seeded.approved.id}
    for account, feed, said in [
        ("far-1", None, "expected a stream of quotes, found no feed"),
        ("far-1", {"kind": "bars"}, "expected a stream of quotes, found a replay of bars"),
        ("paper-2", {"kind": "ticks"}, "expected ticks behind the pinned data"),
        ("paper-2", {"kind": "stream"}, "a stream needs"),
        ("paper-2", {"kind": "stream", "source": "broker"}, "found a paper account, which has none"),
        ("paper-2", {"kind": "stream", "source": "demo", "start": "2017-03-01"}, "a stream begins now"),
        ("paper-2", {"kind": "bars", "source": "demo"}, "has no source"),
    ]:
        body = {**release, "account_id": account, **({"feed": feed} if feed else {})}
        response = ask(server, "/deploy", body=body)
        assert response.status_code in (400, 409), (account, feed, response.text)
        assert said in response.json()["error"]
    body = {**release, "account_id": "far-1", "feed": {"kind": "stream", "source": "broker"}}
    assert ask(server, "/deploy", body=body).status_code == 200
    held = {item["id"]: item["held_by"] for item in ask(server, "/accounts").json()["accounts"]}
    assert held["far-1"]
    assert not held["paper-2"]


def test_stopping_asks_the_gateway_first_and_the_kernel_ends_after_it(
    server: LabServer, gateway: FakeProcess, supervisor: FakeProcess
) -> None:
    body = {"deployment_id": DEPLOYMENT, "flatten": True}
    said = ask(server, "/stop", role="operator", body=body).json()["said"]
    assert said == f"{DEPLOYMENT} is stopped; it holds no position."
    assert gateway.asked == [("operator-person", "operator", "stop", DEPLOYMENT, {"flatten": True})]
    assert supervisor.asked == [("operator-person", "operator", "stop", DEPLOYMENT, {})]
    supervisor.running = False
    assert "its kernel runs on" in ask(server, "/stop", role="operator", body=body).json()["said"]
    gateway.running = False
    response = ask(server, "/stop", role="operator", body=body)
    assert (response.status_code, response.json()["missing"]) == (503, "gateway")


def test_a_stopped_deployment_is_started_again(
    server: LabServer, gateway: FakeProcess, supervisor: FakeProcess
) -> None:
    response = ask(server, "/start", role="approver", body={"deployment_id": DEPLOYMENT})
    assert response.json()["said"] == f"{DEPLOYMENT} starts again."
    assert gateway.asked == [("approver-person", "approver", "resume", DEPLOYMENT)]
    assert supervisor.asked == [("approver-person", "approver", "start", DEPLOYMENT)]


def test_schedules_are_listed_with_how_they_last_ran(server: LabServer) -> None:
    shown = ask(server, "/schedules").json()["schedules"]
    assert [(item["name"], item["last_status"]) for item in shown] == [("nightly import", "completed")]


def test_no_runs_are_listed_before_anything_was_tracked(server: LabServer) -> None:
    assert ask(server, "/runs").json() == {"runs": []}
    assert ask(server, "/runs?most=0").status_code == 400


def test_a_role_that_may_not_backtest_gets_no_kernel(server: LabServer) -> None:
    body = {"name": "python3"}
    for role in ("viewer", "operator", "nobody"):
        response = server.ask("/api/kernels", token=f"token-of-{role}", body=body)
        assert response.status_code == 403, role
    assert json.loads(server.ask("/api/kernels", token=TOKENS["viewer"]).text) == []
