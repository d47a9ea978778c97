"""What all processes have counted."""

from ganggpt.persistence.migrations import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
