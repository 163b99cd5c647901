"""Options of schedules and their runs: time limits, and what a face of the scheduler keeps with them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    for table in ("schedules", "schedule_runs"):
        op.add_column(table, sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
