"""What all processes have counted."""

from ganggpt.persistence.migrations import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
