"""The schema arrives whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from ganggpt.domain.kinds import encode_command, encode_state
from ganggpt.errors import StartFailed, Unavailable
from ganggpt.persistence.migrate import migrate, needs_migration, newest_version, schema_version
from ganggpt.persistence.world_lists import PostgresLists
from ganggpt.worldfiles.files import cast_of
from tests.support.builders import WORLD
from tests.support.states import NOW_S, memory, npc

pytestmark = pytest.mark.integration

_REVISION = """
from ganggpt.persistence.migrations import run_sql
revision = "{revision}"
down_revision = {down}
def upgrade():
    run_sql(__file__)
"""


def _script_directory(root: Path, **sql: str) -> Path:
    shipped = Path(newest_version.__code__.co_filename).parent / "migrations"
    (root / "versions").mkdir(parents=True)
    (root / "env.py").write_text((shipped / "env.py").read_text())
    down = None
    for name, statements in sql.items():
        (root / "versions" / f"{name}.py").write_text(_REVISION.format(revision=name, down=repr(down)))
        (root / "versions" / f"{name}.sql").write_text(statements)
        down = name
    return root


async def _tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {r["tablename"] for r in rows}


async def test_an_empty_database_gets_every_table_of_the_seed_and_ours(empty_database: str) -> None:
    assert await schema_version(empty_database) is None
    assert await needs_migration(empty_database)
    assert await migrate(empty_database) == newest_version()
    assert not await needs_migration(empty_database)
    assert await _tables(empty_database) >= {
        *("players", "npc_memories", "faction_relationships", "missions", "companions"),
        *("world", "hosts", "shards", "journal", "outbox", "reminders", "pushes", "game_servers", "snapshots"),
    }


async def test_two_programs_that_migrate_at_once_both_succeed(empty_database: str) -> None:
    versions = await asyncio.gather(*(migrate(empty_database) for _ in range(3)))
    assert set(versions) == {newest_version()}


async def test_a_failing_revision_leaves_nothing_behind(empty_database: str, tmp_path: Path) -> None:
    scripts = _script_directory(
        tmp_path / "m",
        a1="CREATE TABLE first (id int);",
        a2="CREATE TABLE second (id int); INSERT INTO second VALUES (1); SELECT 1 / 0; CREATE TABLE third (id int);",
    )
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database, migrations=scripts)
    assert await _tables(empty_database) == set()
    (scripts / "versions" / "a2.sql").write_text("CREATE TABLE second (id int);")
    assert await migrate(empty_database, migrations=scripts) == "a2"
    assert await _tables(empty_database) == {"first", "second", "alembic_version"}


async def test_npcs_that_lived_before_there_was_a_list_of_them_are_in_it(empty_database: str) -> None:
    await migrate(empty_database, to="0006")
    async with asyncpg.create_pool(empty_database, min_size=0, max_size=2) as pool:
        cast = [
            (actor, actor.partition(":")[0], tag, encode_command(command)) for actor, tag, command in cast_of(WORLD)
        ]
        await pool.executemany("INSERT INTO cast_members VALUES ($1, $2, $3, $4)", cast)
        asleep = [(f"npc:guard{n:04}", 1, 2, encode_state(npc(memory(1)))) for n in range(1200)]
        await pool.executemany("INSERT INTO snapshots (actor, seq, schema, body) VALUES ($1, $2, $3, $4)", asleep)
        await migrate(empty_database)
        listed = await PostgresLists(pool).rows("npcs", {}, None, 5000)
        assert {row.id for row in listed} == {f"npc:{name}" for name in WORLD.npcs} | {actor for actor, *_ in asleep}
        born = "SELECT name, district, extract(epoch FROM created_at)::float8 AS born_s FROM npcs WHERE id = $1"
        guard = await pool.fetchrow(born, "guard1100")
        assert guard is not None
        assert (guard["name"], guard["district"], guard["born_s"]) == ("Mara", "docks", NOW_S)


async def test_a_schema_from_the_future_is_refused(database: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(StartFailed, match="9999"):
        await migrate(database)
    assert await needs_migration(database)


async def test_a_database_that_is_unreachable_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await schema_version(f"postgresql://nobody@/nothing?host={tmp_path}")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            (
                "INSERT INTO faction_relationships (faction_a, faction_b, relationship_type, strength)"
                " VALUES ('a', 'b', 'x', 101)"
            ),
            asyncpg.CheckViolationError,
        ),
        ("INSERT INTO missions (title, difficulty) VALUES ('t', 11)", asyncpg.CheckViolationError),
        (
            (
                "INSERT INTO companions (player_id, name, companion_type, personality)"
                " VALUES (gen_random_uuid(), 'x', 'dog', '{}')"
            ),
            asyncpg.ForeignKeyViolationError,
        ),
        (
            (
                "INSERT INTO npc_memories (npc_id, player_id, memory_type, content)"
                " VALUES ('x', gen_random_uuid(), 'fact', '{}')"
            ),
            asyncpg.ForeignKeyViolationError,
        ),
        (
            "INSERT INTO players (username, email) VALUES ('a', 'x@y'), ('a', 'z@y')",
            asyncpg.UniqueViolationError,
        ),
        ("INSERT INTO hosts (name, kind) VALUES ('h', 'shared'), ('h', 'own')", asyncpg.UniqueViolationError),
        (
            "INSERT INTO world (one, name, title, seed, shards, sheet) VALUES (false, 'w', 'w', 1, 1, '')",
            asyncpg.CheckViolationError,
        ),
    ],
)
async def test_the_schema_refuses_what_must_not_be(
    pool: asyncpg.Pool, statement: str, problem: type[asyncpg.PostgresError]
) -> None:
    with pytest.raises(problem):
        await pool.execute(statement)
