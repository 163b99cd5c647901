"""A store that an older workbench wrote is brought to the revision with waiting orders, on both databases."""

import sqlalchemy as sa

from tests.older_store import store_at
from workbench.store import open_store
from workbench.store.schema import cancels


def _older(url: str) -> None:
    """A store at revision 0003, with an order that a person took back and one that waits."""
    engine = store_at(url, "0003")
    with engine.begin() as connection:
        for name, state, control in (
            ("one", "CANCELED", "R23"),
            ("two", "CANCELED", ""),
            ("six", "WORKING", ""),
        ):
            connection.execute(
                sa.text(
                    "INSERT INTO intents (client_order_id, deployment_id, account_id, event_seq, instrument, "
                    "body, state, control, reason, created_ns, release_id) VALUES "
                    "(:name, 'd', 'a', 4, 'EUR_USD', '{}', :state, :control, '', 0, '')"
                ),
                {"name": name, "state": state, "control": control},
            )
            connection.execute(
                sa.text(
                    "INSERT INTO orders (client_order_id, broker_order_id, state, accepted_seq, updated_ns) "
                    "VALUES (:name, 'P', :state, 4, 0)"
                ),
                {"name": name, "state": state},
            )
    engine.dispose()


def test_orders_that_a_person_took_back_keep_their_place(store_url: str) -> None:
    _older(store_url)
    engine = open_store(store_url)
    with engine.connect() as connection:
        found = dict(
            map(tuple, connection.execute(sa.text("SELECT client_order_id, canceled_seq FROM orders")).all())
        )
        assert found == {"one": 4, "two": 0, "six": 0}
        assert connection.execute(sa.select(cancels)).all() == []
    engine.dispose()
