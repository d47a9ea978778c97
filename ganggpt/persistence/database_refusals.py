"""What a database that cannot be used said, as sentences: one table, the first row that fits is taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import asyncpg

from ganggpt.persistence.refusals import ENCODED, StoreProblem, causes_of, network_refusal
from ganggpt.store_urls import DatabaseUrl

_SAID_MAX: Final = 200
Row = tuple[type[BaseException] | tuple[type[BaseException], ...], str, Callable[[DatabaseUrl, str], StoreProblem]]
"""The errors, a pattern of their text, and the words for them."""


def database_refusal(failed: BaseException, url: DatabaseUrl) -> StoreProblem | None:
    """Why a database cannot be used, or None where the error is none of a database or network."""
    for cause in causes_of(failed):
        said = str(cause)
        for kinds, pattern, words in _DATABASE:
            if isinstance(cause, kinds) and re.search(pattern, said, re.IGNORECASE):
                return words(url, said)
    return network_refusal(failed, url.place, "Postgres")


def _words(problem: str, fix: str, *, outage: bool = False) -> Callable[[DatabaseUrl, str], StoreProblem]:
    """Words with {place}, {user} and {database} of the URL, and {name}: what the server put in quotes."""

    def words(url: DatabaseUrl, said: str) -> StoreProblem:
        found = re.search(r'"([A-Za-z0-9_.-]{1,60})"', said)
        name = found.group(1) if found else "?"
        fields = {"place": url.place, "user": url.user, "database": url.database, "name": name}
        return StoreProblem(problem.format(**fields), fix.format(**fields), outage)

    return words


def _password(url: DatabaseUrl, _: str) -> StoreProblem:
    if not url.has_password:
        return StoreProblem(f"Postgres at {url.place} asks for a password, and the URL has none", _WRITE_IT)
    problem = f"Postgres at {url.place} refuses the password of the user {url.user}"
    return StoreProblem(problem, f"Correct user and password; {ENCODED}.")


def _said_by_server(url: DatabaseUrl, said: str) -> StoreProblem:
    text = said.splitlines()[0][:_SAID_MAX] if said else "nothing more"
    return StoreProblem(f"Postgres at {url.place} refuses: {text}", "Its log may tell more.")


_WRITE_IT: Final = "Write it as postgresql://user:password@host:5432/database."
_AUTHORIZATION = asyncpg.InvalidAuthorizationSpecificationError
_NO_POSTGRES: Final = (
    asyncpg.exceptions.ProtocolError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.exceptions.UnsupportedClientFeatureError,
)
_POOLER_FIX: Final = "Set GANGGPT_PGBOUNCER=true, or name the Postgres behind it in DATABASE_URL."
_DATABASE: Final[tuple[Row, ...]] = (
    (
        asyncpg.PostgresError, "unsupported startup parameter: idle_in_transaction",
        _words("what listens at {place} is a PgBouncer, and GANGGPT_PGBOUNCER is not set", _POOLER_FIX),
    ),
    (
        asyncpg.PostgresError, "unsupported startup parameter",
        _words(
            "the PgBouncer at {place} refuses a parameter of the URL",
            "Take the parameter out, or name it in ignore_startup_parameters of PgBouncer.",
        ),
    ),
    (
        asyncpg.PostgresError, "prepared statement .* (does not|already) exist",
        _words("what listens at {place} shares its connections, as PgBouncer does", _POOLER_FIX),
    ),
    (
        asyncpg.PostgresError, "statement pooling",
        _words(
            "the PgBouncer at {place} is in statement mode, in which there are no transactions",
            "Set pool_mode = transaction in its configuration.",
        ),
    ),
    (
        asyncpg.PostgresError, "bouncer config error|no such database",
        _words(
            "the PgBouncer at {place} knows no database {database}, or not where it is",
            "Correct the name, or the section [databases] of its configuration.",
        ),
    ),
    (
        asyncpg.PostgresError, "no such user",
        _words("the PgBouncer at {place} knows no user {user}", "Correct it, or add it to PgBouncer's auth_file."),
    ),
    (
        asyncpg.PostgresError, "database .* does not exist",
        _words("there is no database {database} at {place}", "Create it (createdb {database}), or correct the name."),
    ),
    (
        asyncpg.PostgresError, "server login has been failing|query_wait_timeout|connect failed|server_login_retry",
        _words("the PgBouncer at {place} does not reach its Postgres", "Start Postgres, or look into PgBouncer's log."),
    ),
    (
        asyncpg.InvalidCatalogNameError, "",
        _words("there is no database {database} at {place}", "Create it (createdb {database}), or correct the name."),
    ),
    (
        _AUTHORIZATION, "role .* does not exist",
        _words("Postgres at {place} knows no role {user}", "Create it (createuser {user}), or correct the user."),
    ),
    (
        _AUTHORIZATION, "no pg_hba.conf entry.*(no encryption|SSL off)",
        _words(
            "Postgres at {place} lets the user {user} into {database} only with TLS, or not at all",
            "Add ?sslmode=require to DATABASE_URL, or a line to pg_hba.conf of the server.",
        ),
    ),
    (
        _AUTHORIZATION, "no pg_hba.conf entry",
        _words(
            "Postgres at {place} does not let the user {user} into {database} from this machine",
            "Add a line to pg_hba.conf of the server, or correct user and database.",
        ),
    ),
    (
        _AUTHORIZATION, "not permitted to log in",
        _words("the role {user} may not log in at {place}", "ALTER ROLE {user} LOGIN, or use another user."),
    ),
    (
        _AUTHORIZATION, "peer|ident",
        _words(
            "Postgres at {place} takes the user {user} only from the account of that name",
            "Give the user a password and use host and port, or run as that account.",
        ),
    ),
    (asyncpg.InvalidPasswordError, "", _password),
    (asyncpg.PostgresError, "(authentication|auth) failed", _password),
    (_AUTHORIZATION, "", _password),
    (
        (asyncpg.InterfaceError, asyncpg.InternalClientError), "password",
        lambda url, _: StoreProblem(f"Postgres at {url.place} asks for a password, and the URL has none", _WRITE_IT),
    ),
    (
        asyncpg.InsufficientPrivilegeError, "permission denied for database",
        _words(
            "the user {user} may not connect to, or make tables in, the database {database}",
            "GRANT ALL ON DATABASE {database} TO {user}, or make it the owner.",
        ),
    ),
    (
        asyncpg.InsufficientPrivilegeError, "",
        _words(
            "the user {user} may not make or use tables in the database {database}",
            "Make it the owner: ALTER DATABASE {database} OWNER TO {user}.",
        ),
    ),
    (
        asyncpg.InvalidSchemaNameError, "",
        _words("the search_path of {user} at {place} leads to no schema", "Create the schema, or correct search_path."),
    ),
    (
        (asyncpg.UndefinedObjectError, asyncpg.CantChangeRuntimeParamError), "parameter",
        _words(
            "Postgres at {place} knows no setting {name} that a client may set, but the URL sets it",
            "Take it out of DATABASE_URL, or correct its name.",
        ),
    ),
    (
        asyncpg.InvalidParameterValueError, "",
        _words("Postgres at {place} refuses the value of the setting {name}", "Correct it in DATABASE_URL."),
    ),
    (
        asyncpg.ReadOnlySQLTransactionError, "",
        _words("the Postgres at {place} is a copy that cannot be written", "Name the primary server."),
    ),
    (
        asyncpg.TooManyConnectionsError, "",
        _words(
            "Postgres at {place} has no connection left", "Raise its max_connections, or lower DATABASE_POOL_SIZE.",
            outage=True,
        ),
    ),
    (
        asyncpg.DiskFullError, "",
        _words("the disk of the Postgres at {place} is full", "Free some space there.", outage=True),
    ),
    (
        asyncpg.CannotConnectNowError, "",
        _words("the Postgres at {place} is just starting or stopping", "Try again when it runs.", outage=True),
    ),
    (
        asyncpg.OperatorInterventionError, "",
        _words("the Postgres at {place} ended the connection", "Try again; its log may tell more.", outage=True),
    ),
    (
        ConnectionError, "unexpected connection_lost|error response during SSL",
        _words(
            "what listens at {place} closed the connection at once",
            "Check that it is Postgres; see its log.",
            outage=True,
        ),
    ),
    (
        ConnectionError, "SSL upgrade",
        _words(
            "what listens at {place} is no Postgres, or does not speak TLS as the URL asks for",
            "Check host and port, and sslmode.",
        ),
    ),
    (
        asyncpg.exceptions.TargetServerAttributeNotMatched, "",
        _words("no server at {place} is what target_session_attrs asks for", "Correct it, or name the right server."),
    ),
    (
        asyncpg.exceptions.ClientConfigurationError, "",
        _words(
            "the parameters of the URL for {place} do not go together, or a file of a certificate is missing",
            "Check sslmode and the files that DATABASE_URL names.",
        ),
    ),
    (
        _NO_POSTGRES, "",
        _words("what listens at {place} is no Postgres, or closed the connection", "Check host and port.", outage=True),
    ),
    (
        asyncpg.PostgresConnectionError, "",
        _words("the connection to the Postgres at {place} was lost", "Its log may tell more.", outage=True),
    ),
    (asyncpg.PostgresError, "", _said_by_server),
)  # fmt: skip
