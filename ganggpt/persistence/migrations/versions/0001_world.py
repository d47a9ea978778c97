"""The first schema: ownership, journal, what leaves with a turn, and the user's tables."""

from ganggpt.persistence.migrations import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
