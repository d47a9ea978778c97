"""What models cost, what was asked of them, and whether they may be asked at all."""

from ganggpt.persistence.migrations import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
