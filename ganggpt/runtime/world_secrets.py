"""How every process of a world comes by its secrets: it reads them itself.

What a Ray actor or a Serve deployment is constructed with is pickled into Ray's tables (on Kubernetes into a Redis), so
a specification names the place of the secrets and never holds one. ``ganggpt up`` writes them into a file of the data
directory that only our user can read; on a cluster the place is the environment of the pod or the node, or the files
that ``…_FILE`` variables name.
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ganggpt.config import Settings, is_secret, read_settings, variable_of
from ganggpt.errors import ConfigInvalid, StartFailed
from ganggpt.private_files import readable_by_others, write_private
from ganggpt.runtime.model_plan import keys_of
from ganggpt.runtime.redis_address import redis_url

SECRETS_FILE: Final = "secrets.json"
_HIDDEN: Final = frozenset(variable_of(name) for name, field in Settings.model_fields.items() if is_secret(field))
_ASSIGNED: Final = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


class WorldSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """The secrets of a world. ``token``: of the bridge; ``keys``: of models, by the name of their variable."""

    dsn: str
    token: str
    redis_url: str | None = None
    keys: dict[str, str] = {}

    def __repr__(self) -> str:
        return "WorldSecrets(hidden)"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a process reads the secrets of its world; picklable, and no secret itself. ``file``: on the machine of
    ``ganggpt up``. Where that file is not, or none is named, the process's own settings have them."""

    file: str | None = None

    def read(self) -> WorldSecrets:
        """Read them; blocks for a moment. Raises StartFailed where the file is no such file, ConfigRejected and
        ConfigInvalid where the settings lack them."""
        if self.file is not None:
            try:
                return msgspec.json.decode(Path(self.file).read_bytes(), type=WorldSecrets)
            except FileNotFoundError:
                pass  # another machine
            except msgspec.MsgspecError as broken:
                fix = "Stop the world with `ganggpt down` and start it again."
                raise StartFailed(f"The file {self.file} does not hold the secrets of a world.", fix) from broken
        return secrets_of(read_settings())


def secrets_of(settings: Settings) -> WorldSecrets:
    """The secrets of a world on a cluster. Raises ConfigInvalid if no database or no token is set: a cluster has no
    embedded stores and generates no token."""
    if settings.database_url is None:
        raise ConfigInvalid("DATABASE_URL", "it is not set", "A cluster needs a Postgres of its own.")
    if settings.token is None:
        raise ConfigInvalid("GANGGPT_TOKEN", "it is not set", "Give the bridge its token as a secret.")
    return WorldSecrets(
        dsn=settings.database_url.get_secret_value(),
        token=settings.token.get_secret_value(),
        redis_url=redis_url(settings),
        keys=keys_of(settings),
    )


def write_secrets(data_dir: Path, secrets: WorldSecrets) -> SecretSource:
    """Put the secrets where the processes of a local world read them."""
    file = data_dir / SECRETS_FILE
    write_private(file, msgspec.json.encode(secrets))
    return SecretSource(str(file))


def remove_secrets(data_dir: Path) -> None:
    """Remove them: no process of the world needs them any more."""
    (data_dir / SECRETS_FILE).unlink(missing_ok=True)


def drop_secrets(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take all secret settings out of an environment. They were read; what is started from now on inherits none."""
    for name in [name for name in environment if name.upper() in _HIDDEN]:
        del environment[name]


def open_secrets(env_file: Path) -> list[str]:
    """The secrets in a settings file that other users of the machine can read; none where it is not there."""
    if not env_file.is_file() or not readable_by_others(env_file):
        return []
    text = env_file.read_text(encoding="utf-8", errors="replace")
    return [name for name in _ASSIGNED.findall(text) if name.upper() in _HIDDEN]
