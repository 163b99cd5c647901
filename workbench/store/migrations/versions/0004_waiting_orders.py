"""Orders that wait: what is left of them, when they were taken back, and the wish to take them back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    for table, name in (("orders", "remaining"), ("orders", "canceled_seq"), ("fills", "remaining")):
        op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("fills", sa.Column("trade", sa.Text(), nullable=False, server_default=""))
    # before this revision an order that a person's verb took back was taken back where it was placed
    op.execute(
        "UPDATE orders SET canceled_seq = accepted_seq WHERE state = 'CANCELED' AND client_order_id IN "
        "(SELECT client_order_id FROM intents WHERE control IN ('R23', 'STOP'))"
    )
    op.create_table(
        "cancels",
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("event_seq", sa.BigInteger(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_order_id"],
            ["intents.client_order_id"],
            name=op.f("fk_cancels_client_order_id_intents"),
        ),
        sa.PrimaryKeyConstraint("client_order_id", "event_seq", name=op.f("pk_cancels")),
    )
    op.create_index("ix_cancels_deployment_id_event_seq", "cancels", ["deployment_id", "event_seq"])
