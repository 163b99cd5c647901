"""Create or migrate MLflow's store, in a process of its own: ``python -m workbench.tracking.create URI``.

MLflow's migrations change the logging set-up of the process that runs them, and take about ten seconds.
"""

import importlib
import logging
import sys

__all__ = ["main"]


def main() -> int:
    """Bring the database to the schema of the installed MLflow."""
    logging.disable(logging.WARNING)
    database = importlib.import_module("mlflow.store.db.utils")

    engine = database.create_sqlalchemy_engine_with_retry(sys.argv[1])
    if not database._all_tables_exist(engine):  # as MLflow's own store does when it is first opened
        database._initialize_tables(engine)
    elif database._get_schema_version(engine) != database._get_latest_schema_revision():
        database._upgrade_db(engine)  # what `mlflow db upgrade` calls
    database._verify_schema(engine)
    engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
