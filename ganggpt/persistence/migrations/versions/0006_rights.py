"""Who asked to be forgotten."""

from ganggpt.persistence.migrations import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
