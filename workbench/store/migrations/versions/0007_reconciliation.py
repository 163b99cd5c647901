"""What the gateway knows of its brokers, and the books: lease, watermarks, what is frozen, adjustments."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.add_column("intents", sa.Column("watermark", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "leases",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("taken_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
    )
    op.create_table(
        "broker_links",
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=False),
        sa.Column("opening_balance", sa.BigInteger(), nullable=False),
        sa.Column("opening_financing", sa.BigInteger(), nullable=False),
        sa.Column("financing", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("day_start_equity", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", name=op.f("pk_broker_links")),
    )
    op.create_table(
        "frozen_instruments",
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "instrument", name=op.f("pk_frozen_instruments")),
    )
    op.create_table(
        "adjustments",
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("cash", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "number", name=op.f("pk_adjustments")),
    )
    _keep_adjustments()


def _keep_adjustments() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER adjustments_refuses_{verb.lower()} BEFORE {verb} ON adjustments "
                f"BEGIN SELECT RAISE(ABORT, 'adjustments is append-only: {verb} refused'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER adjustments_refuses_change BEFORE UPDATE OR DELETE ON adjustments "
        "FOR EACH ROW EXECUTE FUNCTION workbench_refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER adjustments_refuses_truncate BEFORE TRUNCATE ON adjustments "
        "FOR EACH STATEMENT EXECUTE FUNCTION workbench_refuse_change()"
    )
