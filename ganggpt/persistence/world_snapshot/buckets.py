"""Asks once whether a bucket of Google can be used, before the client for it tries for a minute."""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from urllib.parse import quote

import httpx

from ganggpt.errors import StorageFailed

SCHEMES: Final = ("gs://", "gcs://")
_ANSWER_S: Final = 5.0
_CREDENTIALS: Final = (
    "Set GOOGLE_APPLICATION_CREDENTIALS to the key file of an account that may use it, or sign in with "
    "`gcloud auth application-default login`."
)


def options_of(url: str) -> dict[str, Any]:
    """What the client of a bucket is told besides its url. Without credentials it is anonymous at once; by itself it
    would ask the server of Google's machines for a quarter of a minute, also where there is none."""
    if not url.startswith(SCHEMES):
        return {}
    from gcsfs import core

    if not core._location().endswith("googleapis.com"):  # noqa: SLF001 - an emulator, which has no credentials
        return {}
    return {"token": "google_default" if _has_credentials() else "anon"}


@cache
def _has_credentials() -> bool:
    """Whether Google's own search finds credentials. It takes a second or two, so a process does it once."""
    from google.auth import default, exceptions  # comes with the extra package for gs://

    try:
        default()
    except exceptions.GoogleAuthError:
        return False
    return True


async def check_bucket(where: str, client: Any) -> None:
    """Raises StorageFailed where the bucket of a ``gs://`` url does not exist, or cannot be reached or used from here.

    ``client``: the filesystem of gcsfs, which knows the address and the credentials.
    """
    bucket = where.partition("://")[2].partition("/")[0]
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_S) as asking:
            answer = await asking.get(f"{client.base}b/{quote(bucket, safe='')}", params={"fields": "name"})
    except httpx.HTTPError as failed:
        problem = f"Google's storage cannot be reached: {failed or type(failed).__name__}"
        raise StorageFailed(where, problem, "Check the network of this machine, then try again.") from failed
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise StorageFailed(
            where, f"there is no bucket {bucket!r}", "Make it, or correct the name: gs://bucket/prefix."
        )
    if answer.status_code == httpx.codes.UNAUTHORIZED and client.credentials.credentials is None:
        raise StorageFailed(where, "no credentials of Google were found here", _CREDENTIALS)
