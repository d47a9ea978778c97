"""The memory archive: memories that no longer fit into a mind, found by their words, and by meaning where it can be."""

from ganggpt.persistence.migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the .sql file beside this one."""
    run_sql(__file__)
