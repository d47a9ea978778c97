"""Addresses of stores and servers as people write them: read and checked without a connection.

What is wrong is said without any part of the URL, because a character that is not encoded moves a piece of the password
to where a host or a path is expected.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

DATABASE_SCHEMES: Final = ("postgresql", "postgres")
REDIS_SCHEMES: Final = ("redis", "rediss", "redis+cluster", "rediss+cluster", "unix")
_POSTGRES_PORT: Final = "5432"
_REDIS_PORT: Final = "6379"
_CONNECT_TIMEOUT_S_MAX: Final = 600


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """What a DATABASE_URL says. ``dsn``: as the driver takes it; ``place``: where the server is, for people, without a
    secret. ``system_roots``: certificates are checked against those of the system (``sslrootcert=system``)."""

    dsn: str = field(repr=False)
    place: str
    user: str
    database: str
    has_password: bool
    connect_timeout_s: float | None
    system_roots: bool
    session_attrs: str
    files: Mapping[str, str]
    """By parameter, the files that the driver will read."""


def read_database_url(url: str) -> DatabaseUrl:
    """Read a DATABASE_URL. Raises ValueError, whose text contains no part of the URL."""
    parts = _split(url, DATABASE_SCHEMES)
    given = _parameters(parts.query)
    if "@" not in parts.netloc and any("@" in value for name, value in given.items() if name not in _MAY_HAVE_AT):
        _unencoded("?")
    for name, value in given.items():
        _check_database_parameter(name, value)
    kept = {name: value for name, value in given.items() if name not in _DROPPED and name not in _ONLY_WITHOUT}
    roots = kept.get("sslrootcert") == "system"
    if roots:
        kept = {name: value for name, value in kept.items() if name not in {"sslmode", "sslrootcert"}}
    account, _, hosts = parts.netloc.rpartition("@")
    user, colon, _ = account.partition(":")
    user = unquote(user) or given.get("user", "")
    timeout = given.get("connect_timeout")
    return DatabaseUrl(
        dsn=f"{parts.scheme}://{parts.netloc}{parts.path}{_query(kept)}",
        place=_database_place(parts, hosts, given),
        user=user,
        database=unquote(parts.path.lstrip("/")) or given.get("dbname", "") or given.get("database", "") or user,
        has_password=bool(colon) or "password" in given,
        connect_timeout_s=float(timeout) if timeout is not None and int(timeout) > 0 else None,
        system_roots=roots,
        session_attrs=given.get("target_session_attrs", "any"),
        files={name: kept[name] for name in _FILES if kept.get(name)},
    )


def check_redis_url(url: str) -> None:
    """Raises ValueError for a REDIS_URL that cannot be used; its text contains no part of the URL."""
    parts = _split(url, REDIS_SCHEMES)
    given = _parameters(parts.query)
    for name, value in given.items():
        check = _REDIS_PARAMETERS.get(name)
        if check is None:
            _unknown_parameter(name, _REDIS_PARAMETERS)
        if not check(value):
            raise ValueError(f"the value of its parameter {name} cannot be used")
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("it names no socket: after unix:// comes an absolute path, so there are three slashes")
        return
    if not parts.hostname:
        raise ValueError("it names no host")
    number = parts.path.strip("/")
    if number and not number.isdecimal():
        raise ValueError("what follows the host is not the number of a Redis database, such as /0")
    if parts.scheme.endswith("+cluster") and int(number or "0"):
        raise ValueError("a Redis Cluster has only the database 0")


def redis_place(url: str) -> str:
    """Where the Redis of a checked URL is, for people, without a secret."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "unix" else _safe_place(parts.netloc, _REDIS_PORT)


def is_on_this_machine(url: str) -> bool:
    """Whether a server is asked over the loopback."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def http_url_problem(url: str) -> str | None:
    """What is wrong with the address of a server that is asked over HTTP or a WebSocket, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or port cannot be read"
    if not host:
        return "it names no host"
    if "@" in parts.netloc:
        return "it contains a user name or a key, which have settings of their own"
    if parts.query or parts.fragment:
        return "it goes on after the path (? or #); only scheme, host and path belong to it"
    return None


def _split(url: str, schemes: tuple[str, ...]) -> SplitResult:
    if not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"it does not start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError("it contains a blank or a line break; in a password a blank is written %20")
    rest = url.partition("://")[2]
    ends = re.search(r"[/?#]", rest)
    authority, tail = (rest, "") if ends is None else (rest[: ends.start()], rest[ends.start() :])
    path = re.split(r"[?#]", tail, maxsplit=1)[0]
    account, _, hosts = authority.rpartition("@")
    if tail and ("@" in path or ("@" in tail and not account and not _are_hosts(hosts))):
        _unencoded(tail[0])
    if "#" in tail:
        _unencoded("#")
    for sign in "@[]":
        if sign in account:
            _unencoded(sign)
    if re.search(r"%(?![0-9A-Fa-f]{2})", rest):
        _unencoded("%")
    if not _are_hosts(hosts):
        raise ValueError(
            "its host or port cannot be read: a port is a number from 1 to 65535, and an IPv6 address stands in "
            "brackets; is there an @ between the password and the host?"
        )
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("its host contains characters that no host name has") from None


def _are_hosts(hosts: str) -> bool:
    """Whether these are hosts with or without ports, with commas between, or nothing."""
    for each in hosts.split(","):
        found = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::([0-9]{0,5}))?", each)
        if found is None or not 0 < int(found.group(1) or "1") <= 65535:
            return False
    return True


def _unencoded(sign: str) -> NoReturn:
    code = f"%{ord(sign):02X}"
    raise ValueError(
        f"the sign {sign} in its user name or password has to be written as {code}; so have / ? # [ ] @ : and %, which "
        "mean something else in a URL"
    )


def _parameters(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        raise ValueError(
            "what follows the question mark is not name=value&name=value; in a password ? is written %3F"
        ) from None


def _query(parameters: Mapping[str, str]) -> str:
    return f"?{urlencode(parameters, quote_via=quote, safe='/')}" if parameters else ""


def _database_place(parts: SplitResult, hosts: str, given: Mapping[str, str]) -> str:
    if hosts:
        return _safe_place(parts.netloc, _POSTGRES_PORT)
    host = given.get("host", "")
    if not host:
        return "this machine"
    return host if host.startswith("/") else f"{host}:{given.get('port', _POSTGRES_PORT)}"


def _safe_place(netloc: str, port: str) -> str:
    """The hosts of a checked URL with their ports. Without an @ what looks like a port may be a password whose host was
    forgotten, so it is shown only behind what looks like a host."""
    _, at, hosts = netloc.rpartition("@")
    shown = []
    for each in hosts.split(","):
        host, colon, given = each.rpartition(":") if re.search(r":[0-9]*$", each) else (each, "", "")
        is_host = bool(at) or host == "localhost" or "." in host or host.startswith("[")
        shown.append(f"{host}:{given if colon and given else port}" if is_host else host)
    return ",".join(shown)


def _check_database_parameter(name: str, value: str) -> None:
    if name == "connect_timeout":
        if not re.fullmatch(r"-?[0-9]{1,4}", value) or int(value) > _CONNECT_TIMEOUT_S_MAX:
            raise ValueError(f"its connect_timeout is not a number of seconds up to {_CONNECT_TIMEOUT_S_MAX}")
    elif name == "port":
        if not all(re.fullmatch(r"[0-9]{1,5}", each) and 0 < int(each) <= 65535 for each in value.split(",")):
            raise ValueError("its parameter port is not a number from 1 to 65535")
    elif name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"its {name} is not one of {', '.join(_CHOICES[name])}")
    elif name in _ONLY_WITHOUT:
        allowed, advice = _ONLY_WITHOUT[name]
        if value not in allowed:
            raise ValueError(f"this program cannot do what its parameter {name} asks for; take it out{advice}")
    elif name in _OTHERS:
        raise ValueError(f"its parameter {name} belongs to another program; {_OTHERS[name]}")
    elif name not in _PASSED and name not in _DROPPED and "." not in name:
        # Every other name may be a setting of the server (search_path, statement_timeout), which only it knows; but one
        # that is nearly a name of libpq is a slip.
        near = difflib.get_close_matches(name, sorted(_LIBPQ), 1, 0.85)
        if near:
            raise ValueError(f"it has a parameter {_shown(name)}that does not exist; did you mean {near[0]}?")


def _unknown_parameter(name: str, known: Mapping[str, object]) -> NoReturn:
    near = difflib.get_close_matches(name, sorted(known), 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
    raise ValueError(f"it has a parameter {_shown(name)}that this program does not know; {hint}")


def _shown(name: str) -> str:
    """The name of a parameter, where it can be nothing else."""
    return f"{name} " if re.fullmatch(r"[a-z_]{2,40}", name) else ""


_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
_PASSED: Final = {
    "host", "dbname", "database", "user", "password", "sslpassword", "krbsrvname", "gsslib", "service", "options",
    "application_name", *_FILES,
}  # fmt: skip
"""What the driver knows (``options`` and ``application_name`` are for the server)."""
_MAY_HAVE_AT: Final = {"user", "password", "options", "sslpassword", "application_name", *_FILES}
_TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8", "auto", "unicode", "UNICODE"),
}
_DROPPED: Final = {
    "connect_timeout", "client_encoding", "fallback_application_name", "keepalives", "keepalives_idle",
    "keepalives_interval", "keepalives_count", "tcp_user_timeout", "sslcompression", "sslsni", "gssdelegation",
    "load_balance_hosts", "min_protocol_version", "max_protocol_version",
}  # fmt: skip
"""Of libpq: what the program does itself (the timeout, UTF-8) or what is no loss without."""
_SAFER: Final = "; sslmode=verify-full protects against somebody in between"
_ONLY_WITHOUT: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "channel_binding": (("disable", "prefer"), _SAFER),
    "gssencmode": (("disable", "prefer"), "; sslmode=require encrypts"),
    "sslcertmode": (("disable", "allow"), ""),
    "require_auth": (("",), _SAFER),
    "requirepeer": (("",), ""),
    "replication": (("false", "off", "no", "0"), ""),
    "hostaddr": (("",), "; write the address as the host"),
    "requiressl": (("0",), "; sslmode=require encrypts"),
}
"""Demands that the driver cannot meet: to drop them silently would be a lie. The values ask for nothing."""
_OTHERS: Final = {
    "pgbouncer": "say GANGGPT_PGBOUNCER=true instead",
    "schema": "this program uses the schema of the search_path",
    "connection_limit": "say DATABASE_POOL_SIZE instead",
    "pool_timeout": "take it out",
    "sslaccept": "say sslmode instead",
    "ssl": "say sslmode=require instead",
    "tls": "say sslmode=require instead",
}
_LIBPQ: Final = _PASSED | set(_CHOICES) | _DROPPED | set(_ONLY_WITHOUT) | {"port"}


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) is not None


def _is_switch(value: str) -> bool:
    return value.lower() in {"true", "false", "yes", "no", "0", "1"}


_REDIS_PARAMETERS: Final[Mapping[str, Callable[[str], bool]]] = {
    "db": str.isdecimal,
    "username": bool,
    "password": bool,
    "client_name": bool,
    "health_check_interval": _is_number,
    "max_connections": str.isdecimal,
    "retry_on_timeout": _is_switch,
    "socket_connect_timeout": _is_number,
    "socket_keepalive": _is_switch,
    "socket_timeout": _is_number,
    "ssl_ca_certs": bool,
    "ssl_ca_path": bool,
    "ssl_cert_reqs": lambda value: value in {"none", "optional", "required"},
    "ssl_certfile": bool,
    "ssl_check_hostname": _is_switch,
    "ssl_keyfile": bool,
    "ssl_password": bool,
}
