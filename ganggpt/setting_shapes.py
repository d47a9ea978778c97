"""The shapes of settings: what a value may look like, and what is said about one that does not.

No text here contains a part of a value, because a value may be a secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from ganggpt.store_urls import check_redis_url, http_url_problem, read_database_url

Port = Annotated[int, Field(ge=1, le=65535)]
FreePort = Annotated[int, Field(ge=0, le=65535)]
_QUOTES: Final = {tuple(pair) for pair in ('""', "''", "``", "“”", "‘’", "„“", "«»")}


def fits_a_header(secret: SecretStr) -> SecretStr:
    """The secret, where an HTTP header can carry it. Raises ValueError."""
    if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError(
            "it contains a sign that no HTTP header can carry (a blank, a control character or a letter outside of "
            "ASCII); was something else copied with it?"
        )
    return secret


def _database_url(secret: SecretStr) -> SecretStr:
    read_database_url(secret.get_secret_value())
    return secret


def _redis_url(secret: SecretStr) -> SecretStr:
    check_redis_url(secret.get_secret_value())
    return secret


def _server_url(url: str) -> str:
    problem = http_url_problem(url)
    if problem is not None:
        raise ValueError(problem)
    return url


def _can_be_followed(path: Path) -> Path:
    try:
        path.expanduser().resolve()
    except (RuntimeError, OSError):
        raise ValueError("the path cannot be followed: its user, a link or a name in it is impossible") from None
    return path


def as_written(given: object) -> object:
    """A text without blanks at its ends (line ends of Windows are such); anything else as it is. Raises ValueError for
    what a shell or a file left in a text by mistake."""
    text = given.get_secret_value() if isinstance(given, SecretStr) else given
    if not isinstance(text, str):
        return given
    stripped = text.strip()
    if not stripped:
        raise ValueError("it is blank")
    if re.search(r"[\x00-\x1f\x7f]", stripped):
        raise ValueError("it contains a line break or another control character")
    if len(stripped) > 1 and (stripped[0], stripped[-1]) in _QUOTES:
        raise ValueError("it stands in quotation marks, which belong to it here; take them out")
    return stripped


Usd = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
HeaderSecret = Annotated[SecretStr, AfterValidator(fits_a_header)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_server_url)]
WebSocketUrl = Annotated[str, Field(pattern=r"^wss?://"), AfterValidator(_server_url)]
Folder = Annotated[Path, AfterValidator(_can_be_followed)]
