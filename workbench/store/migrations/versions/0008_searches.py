"""Trials by the batch, so that ten million are cheap to keep and to count, and the marks of an idea."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_APPEND_ONLY = ("trial_batches", "idea_marks")


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "trial_batches",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("idea", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("cost_book", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sharpes", sa.BigInteger(), nullable=False),
        sa.Column("sharpe_mean", sa.Float(), nullable=False),
        sa.Column("sharpe_squares", sa.Float(), nullable=False),
        sa.Column("sharpe_best", sa.Float(), nullable=False),
        sa.Column("columns", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial_batches")),
    )
    op.create_index("ix_trial_batches_idea_count", "trial_batches", ["idea", "count"])
    op.create_index("ix_trial_batches_run_id_count", "trial_batches", ["run_id", "count"])
    op.create_table(
        "idea_marks",
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("idea", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mark", "idea", name=op.f("pk_idea_marks")),
    )
    op.create_index("ix_idea_marks_idea", "idea_marks", ["idea"])
    if op.get_bind().dialect.name == "sqlite":
        _refuse_changes_on_sqlite()
    else:
        _refuse_changes_on_postgresql()


def _refuse_changes_on_sqlite() -> None:
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {verb} refused'); END"
            )


def _refuse_changes_on_postgresql() -> None:
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_refuses_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION workbench_refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuses_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION workbench_refuse_change()"
        )
