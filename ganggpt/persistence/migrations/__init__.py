"""Revisions of the schema: each a small Python file for the order and an .sql file of the same name for the work."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from alembic import op
from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection


def run_sql(revision_file: str) -> None:
    """Run the .sql file that belongs to a revision, as it stands, in the migration's own transaction."""
    sql = Path(revision_file).with_suffix(".sql").read_text(encoding="utf-8")
    adapted = cast(AsyncAdapt_dbapi_connection, op.get_bind().connection.dbapi_connection)
    adapted.run_async(lambda connection: connection.execute(sql))
