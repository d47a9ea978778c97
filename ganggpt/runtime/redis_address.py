"""The address of Redis, put together from the settings."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid


def redis_url(settings: Settings) -> str | None:
    """REDIS_URL, with REDIS_PASSWORD if the url itself has no password, and with REDIS_CA. Raises ConfigInvalid."""
    if settings.redis_url is None:
        return None
    parts = urlsplit(settings.redis_url.get_secret_value())
    if settings.redis_password is not None and parts.password is None:
        password = quote(settings.redis_password.get_secret_value(), safe="")
        user, _, address = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{user}:{password}@{address}")
    if settings.redis_ca is not None:
        authority = f"ssl_ca_certs={quote(str(_authority(settings.redis_ca, parts.scheme)))}"
        parts = parts._replace(query="&".join(filter(None, (parts.query, authority))))
    return urlunsplit(parts)


def _authority(file: Path, scheme: str) -> Path:
    """The absolute path of a file with certificates. Raises ConfigInvalid where there are none or nothing uses them."""
    if not scheme.startswith("rediss"):
        raise ConfigInvalid("REDIS_CA", "REDIS_URL has no TLS", "Begin REDIS_URL with rediss:// or rediss+cluster://.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as failed:  # an SSLError is one too
        problem = "it holds no certificate" if isinstance(failed, ssl.SSLError) else failed.strerror or str(failed)
        raise ConfigInvalid("REDIS_CA", f"{file} cannot be used: {problem}", "Name a file in PEM format.") from None
    return file.absolute()
