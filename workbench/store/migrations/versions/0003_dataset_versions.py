"""Datasets of ticks as well as of bars: their kind, what they were made from and how, and their files."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    for name, default in (
        ("kind", "bars"),
        ("parent", ""),
        ("rule", ""),
        ("source_format", ""),
        ("zone", ""),
    ):
        op.add_column("datasets", sa.Column(name, sa.Text(), nullable=False, server_default=default))
    op.add_column("datasets", sa.Column("parts", sa.JSON(), nullable=False, server_default="{}"))
