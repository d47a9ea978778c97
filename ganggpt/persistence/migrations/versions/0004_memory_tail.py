"""The tail of memories: what minds let go of for want of room is found by its words, and by meaning where it can be."""

from ganggpt.persistence.migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
