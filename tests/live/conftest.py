"""A home, a store, a fake gateway and a supervisor that starts real live kernels."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.desk import Desk, write_notebook
from tests.live.fake_gateway import FakeGateway, made_up_bars
from tests.live.house import House, built_house
from workbench.live.deployments import add_account
from workbench.store import open_store


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A short private folder: a socket's path has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="wb-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def desk(tmp_path: Path, runtime: Path) -> Iterator[Desk]:
    """A desk with one account and one release; `desk.start()` starts its supervisor."""
    with FakeGateway(runtime / "gateway.sock", bars=made_up_bars(60), pace_s=0.02) as gateway:
        made = Desk(
            home=tmp_path,
            runtime=runtime,
            engine=open_store(f"sqlite:///{tmp_path / 'workbench.db'}"),
            gateway=gateway,
            notebook=write_notebook(tmp_path / "released.ipynb"),
        )
        add_account(made.engine, "paper-1")
        made.add_release()
        try:
            yield made
        finally:
            made.end(stop_kernels=True)
            made.engine.dispose()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A home with real data for a module's releases; what trades in it is started when asked for."""
    with built_house(tmp_path_factory.mktemp("house")) as found:
        yield found
