"""The feed that a deployment is put on: what belongs to it, and what is refused."""

import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.tick_room import made_up_ticks
from tests.live.desk import LIMITS, eventually
from tests.live.house import House
from tests.live.notebook_strategies import SCALPER
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.gateway.market_data.sources import QuotePublisher
from workbench.live import add_account, deploy, released_notebooks
from workbench.live.feeds import chosen_feed
from workbench.live.releases import ReleasedNotebook
from workbench.market import MarketStore, bars_from_ticks
from workbench.store import open_store


@pytest.mark.parametrize("kind", ["bars", "ticks"])
def test_replays_take_the_pinned_data_and_ticks_only_where_they_are_pinned(tmp_path: Path, kind: str) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store = MarketStore(tmp_path / "market", engine)
    ticks = made_up_ticks(1_500)
    if kind == "ticks":
        store.add_ticks([ticks], instrument="EUR_USD", source="made up", keep=[])
    else:
        store.add(bars_from_ticks(ticks, Timeframe("M5")), source="made up")
    fingerprint = store.datasets()[0].fingerprint
    release = ReleasedNotebook(
        id="r1",
        name="Runs on EURUSD",
        approved=True,
        notebook=tmp_path / "n.ipynb",
        parameters={},
        spec_digest="0",
        instruments=("EUR_USD",),
        timeframe="M5",
        fingerprints={"EUR_USD": fingerprint},
        cost_book={},
        limits=LIMITS,
    )
    bars = chosen_feed(engine, release, kind="bars")
    assert (bars["kind"], bars["fingerprint"], bars["bars_per_second"]) == ("replay", fingerprint, 20.0)
    if kind == "ticks":
        found = chosen_feed(engine, release, kind="ticks", per_second=0)
        assert found == {**bars, "kind": "ticks", "bars_per_second": 0.0}
        assert chosen_feed(engine, release, kind="ticks")["bars_per_second"] == 1_000.0
    else:
        with pytest.raises(BadInputError, match="expected ticks behind the pinned data of EUR_USD"):
            chosen_feed(engine, release, kind="ticks")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"kind": "quotes"}, "expected a feed of bars, ticks, stream, found 'quotes'"),
        ({"kind": "stream"}, "a stream needs --source"),
        ({"kind": "stream", "source": "demo", "per_second": 5.0}, "leave --from, --to and --speed out"),
        ({"kind": "stream", "source": "demo", "start": date(2017, 12, 4)}, "leave --from"),
        ({"kind": "bars", "source": "demo"}, "leave --source and --every-quote out"),
        ({"kind": "bars", "every_quote": True}, "leave --source and --every-quote out"),
    ]
    for options, message in refused:
        with pytest.raises(BadInputError, match=message):
            chosen_feed(engine, release, **options)
    engine.dispose()


@pytest.mark.processes
def test_a_release_deployed_on_a_stream_is_warmed_up_and_trades_on_it(house: House) -> None:
    house.run_both()
    tenant = house.take_in(SCALPER)
    add_account(house.engine, "paper-1")
    load = released_notebooks(house.settings)
    feed = chosen_feed(
        house.engine, load(tenant.release.id), kind="stream", source="made-up", every_quote=True
    )
    name = deploy(
        house.engine, load, release_id=tenant.release.id, account_id="paper-1", feed=feed, by="david"
    )
    ended = threading.Event()
    publisher = QuotePublisher(house.settings.quotes_socket("made-up"), instruments=["EUR_USD"])

    def publish() -> None:
        ticks = made_up_ticks(50_000)
        for bid, ask in zip(ticks.bid.tolist(), ticks.ask.tolist(), strict=True):
            if ended.wait(0.005):
                return
            publisher.quote("EUR_USD", time.time_ns(), bid, ask)
            publisher.heartbeat()

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        house.until(name, "running")
        eventually(lambda: len(house.fills(name)) >= 4, what="four executions")
    finally:
        ended.set()
        thread.join(10)
        publisher.close()
    assert house.gateway.verify()["ok"]
