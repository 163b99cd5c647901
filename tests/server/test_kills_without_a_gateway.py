"""Kills that no gateway has taken yet are shown as thrown."""

from pathlib import Path

from workbench.gateway.kill_requests import KillRequest, KillRequests
from workbench.server.reading import StoreReader


def test_a_kill_thrown_while_no_gateway_runs_is_shown(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    reader = StoreReader(url, url, kills_dir=tmp_path / "kills")
    assert reader.kills() == []
    KillRequests(tmp_path / "kills").add(
        KillRequest(scope="all", by="david", role="operator", reason="drill", created_ns=1_000_000_000)
    )
    (shown,) = reader.kills()
    assert (shown["scope"], shown["by"], shown["reason"], shown["at"]) == ("all", "david", "drill", 1_000)
    reader.close()
