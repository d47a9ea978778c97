"""The settings as people read them: ``docs/CONFIGURATION.md`` and ``.env.example``, made from ``Settings``.

``make docs`` writes both files; a test fails when they are stale.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from ganggpt.config import Settings, is_secret

CONFIGURATION: Final = Path("docs/CONFIGURATION.md")
EXAMPLE: Final = Path(".env.example")

_HEAD: Final = """# Configuration

Every setting is an environment variable; an env file (`.env`, or another one with the option `--env-file`) works too.
Options of the command line win over the environment, the environment wins over the file. Settings are read once, at
the start; a wrong one is reported with its name and the fix, all of them at once. Blanks and line ends around a value
are no part of it. A variable marked *secret* can also be read from a mounted file: `<NAME>_FILE` is its path.

In the password of an address the signs `: / ? # [ ] @ %` are written `%3A %2F %3F %23 %5B %5D %40 %25`.
`DATABASE_URL` may have what libpq knows; `connect_timeout` is kept, `channel_binding`, `gssencmode` and
`require_auth` are refused where they demand something, because the driver cannot do it (`sslmode=verify-full`
protects as well). Behind a proxy (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) only far language models are
asked through it.

Made by `make docs` from `ganggpt/config.py`; do not edit.
"""
_EXAMPLE_HEAD: Final = """# Settings of GangGPT. Copy to .env and change what you need; every default works on a laptop.
# Made by `make docs` from ganggpt/config.py; docs/CONFIGURATION.md says more.
"""


def as_markdown() -> str:
    """The configuration page."""
    parts = [_HEAD]
    for group, rows in _groups():
        parts.append(f"\n## {group}\n\n| variable | default | shape | meaning |\n|---|---|---|---|\n")
        for field, extra in rows:
            secret = " *Secret.*" if is_secret(field) else ""
            shape = str(extra["shape"]).replace("|", "\\|")
            parts.append(
                f"| `{field.validation_alias}` | {_default(field)} | {shape} | {field.description}{secret} |\n"
            )
    return "".join(parts)


def as_env_example() -> str:
    """The example env file: every variable, commented out where unset is the default."""
    parts = [_EXAMPLE_HEAD]
    for group, rows in _groups():
        parts.append(f"\n# {group}\n")
        for field, extra in rows:
            parts.append(f"# {field.description} ({extra['shape']})\n")
            unset = field.default is None or field.default == ()
            value = str(extra["example"]) if unset else _plain(field.default)
            parts.append(f"{'# ' if unset else ''}{field.validation_alias}={_quoted(value)}\n")
    return "".join(parts)


def write_reference(root: Path) -> None:
    """Write both files under the root of the repository."""
    (root / CONFIGURATION).write_text(as_markdown(), encoding="utf-8")
    (root / EXAMPLE).write_text(as_env_example(), encoding="utf-8")


def _groups() -> list[tuple[str, list[tuple[FieldInfo, dict[str, Any]]]]]:
    rows: list[tuple[FieldInfo, dict[str, Any]]] = []
    for field in Settings.model_fields.values():
        assert isinstance(field.json_schema_extra, dict)
        rows.append((field, dict(field.json_schema_extra)))
    order = list(dict.fromkeys(str(extra["group"]) for _, extra in rows))
    rows.sort(key=lambda row: order.index(str(row[1]["group"])))
    return [(group, list(members)) for group, members in groupby(rows, key=lambda row: str(row[1]["group"]))]


def _default(field: FieldInfo) -> str:
    return "–" if field.default is None or field.default == () else f"`{_plain(field.default)}`"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


if __name__ == "__main__":
    write_reference(Path())
