"""Alerts reach people, say each thing once, keep secrets and never stand in the way."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.operations.receivers import receiver
from workbench.cli import main
from workbench.errors import BadInputError
from workbench.operations import Alert, AlertSender, AlertTargets
from workbench.operations.alerts import CRITICAL, AlertOnEvents

ALERT = Alert(name="frozen", severity=CRITICAL, title="Frozen: d-1", body="reason: a test", subject="d-1")


def test_an_alert_arrives_with_its_title_and_body() -> None:
    with receiver() as taken:
        sender = AlertSender(urls=(f"json://127.0.0.1:{taken.port}/",), source="gateway")
        sender.start()
        sender.tell(ALERT)
        assert taken.wait_for(lambda it: bool(it.bodies), within_s=60)
        sender.close()
    (message,) = taken.messages
    assert message["title"] == "[gateway] Frozen: d-1"
    assert message["message"] == "reason: a test"
    assert message["type"] == "failure"


def test_the_same_alert_is_sent_once_a_minute_and_counted_meanwhile() -> None:
    now = [0.0]
    with receiver() as taken:
        sender = AlertSender(
            urls=(f"json://127.0.0.1:{taken.port}/",), source="gateway", monotonic=lambda: now[0]
        )
        sender.start()
        for _ in range(5):
            sender.tell(ALERT)
        now[0] = 61.0
        sender.tell(ALERT)
        assert taken.wait_for(lambda it: len(it.bodies) == 2, within_s=60)
        sender.close()
    assert "4 more of these" in taken.messages[1]["message"]


def test_a_target_that_does_not_take_it_is_tried_again_and_then_reported() -> None:
    outcomes: list[bool] = []
    with receiver() as taken:
        taken.answer = 500
        sender = AlertSender(
            urls=(f"json://127.0.0.1:{taken.port}/",),
            source="gateway",
            report=lambda alert, sent: outcomes.append(sent),
        )
        sender.start()
        sender.tell(ALERT)
        assert taken.wait_for(lambda it: len(it.bodies) == 2, within_s=60)
        taken.answer = 200
        assert taken.wait_for(lambda it: len(it.bodies) == 3, within_s=60)
        sender.close(timeout_s=60)
    assert outcomes == [True]


def test_telling_never_waits_for_a_target_that_hangs() -> None:
    outcomes: list[bool] = []
    sender = AlertSender(
        urls=("json://192.0.2.1:9/",), source="gateway", report=lambda alert, sent: outcomes.append(sent)
    )
    sender.start()
    began = time.process_time()
    for number in range(3_000):
        sender.tell(
            Alert(name="frozen", severity=CRITICAL, title="t", body="b", subject=f"deployment-{number}")
        )
    assert time.process_time() - began < 5  # a hang would be the target's four seconds, each
    assert outcomes.count(False) >= 1_900  # more than a thousand do not wait


def test_an_event_at_level_error_is_an_alert_and_one_of_no_weight_is_not() -> None:
    told: list[Alert] = []

    class Sender(AlertSender):
        def tell(self, alert: Alert) -> None:
            told.append(alert)

    watch = AlertOnEvents(
        sender=Sender(urls=("json://x/",), source="gateway"),
        title_of=lambda event: "Kill switch pressed" if event["event"] == "killed" else "",
    )
    watch(None, "info", {"event": "order", "client_order_id": "a"})
    watch(None, "warning", {"event": "killed", "scope": "all", "by": "david"})
    watch(None, "error", {"event": "not written", "change": "intent", "deployment_id": "d-1"})
    assert [(alert.title, alert.severity) for alert in told] == [
        ("Kill switch pressed: all", "warning"),
        ("not written: d-1", "critical"),
    ]
    assert told[0].body == "scope: all\nby: david"


def test_targets_are_kept_where_nobody_else_reads_them(tmp_path: Path) -> None:
    targets = AlertTargets(tmp_path / "home" / "alerts.urls")
    assert targets.urls() == ()
    shown = targets.add("json://user:hunter2@127.0.0.1:8080/path")
    assert "hunter2" not in shown
    path = tmp_path / "home" / "alerts.urls"
    assert path.stat().st_mode & 0o777 == 0o600
    assert targets.urls() == ("json://user:hunter2@127.0.0.1:8080/path",)
    with pytest.raises(BadInputError, match="not there yet"):
        targets.add("json://user:hunter2@127.0.0.1:8080/path")
    path.chmod(0o644)
    with pytest.raises(BadInputError, match="owner alone, found mode 0644"):
        targets.urls()


@pytest.mark.parametrize("url", ["nothing", "nosuch://secret@host/", "", "mailto://"])
def test_a_target_that_apprise_does_not_know_is_refused_without_repeating_it(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(BadInputError, match="expected a URL that apprise knows") as refusal:
        AlertTargets(tmp_path / "alerts.urls").add(url)
    assert "secret" not in str(refusal.value)
    assert not (tmp_path / "alerts.urls").exists()


def test_by_command_targets_are_added_tried_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    run = CliRunner().invoke
    assert "expected a target for alerts, found none" in run(main, ["alerts", "test"]).output
    with receiver() as taken:
        added = run(main, ["alerts", "add"], input=f"json://me:hunter2@127.0.0.1:{taken.port}/\n")
        assert added.exit_code == 0
        tried = run(main, ["alerts", "test"])
        assert tried.exit_code == 0
        assert "sent" in tried.output
        assert len(taken.bodies) == 1
        taken.answer = 500
        failed = run(main, ["alerts", "test"])
        assert failed.exit_code == 1
        assert "1 of 1 targets did not take the alert" in failed.output
    listed = run(main, ["alerts", "list"])
    assert "hunter2" not in added.output + tried.output + listed.output
    assert str(taken.port) in listed.output
    assert "expected the number of one of 1 targets, found 2" in run(main, ["alerts", "remove", "2"]).output
    assert run(main, ["alerts", "remove", "1"]).exit_code == 0
    assert "(none)" in run(main, ["alerts", "list"]).output
