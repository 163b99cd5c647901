"""A store as an older workbench left it."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import workbench.store.migrations


def store_at(url: str, revision: str) -> sa.Engine:
    """A new store at `url` with the schema of `revision`."""
    if (file := sa.make_url(url).database) and url.startswith("sqlite"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    folder = Path(workbench.store.migrations.__file__).parent
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine
