"""Where the journal is sealed: what a wake need not look into, and what may be dropped once it is old."""

from ganggpt.persistence.migrations import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
