"""The schema's history, one Alembic revision a file; each runs in one transaction on both databases."""

__all__ = ["HEAD", "KNOWN"]

KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")  # every revision, oldest first
HEAD = KNOWN[-1]
