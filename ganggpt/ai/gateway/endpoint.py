"""Where a provider of models is, and how it is asked there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

from ganggpt.ai.gateway.dialect import TokenField

V1: Final = "v1"
"""The version of Azure's API without a date."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one provider is. ``kind``: azure, openai, or compatible (any base URL). ``timeout_s``: longest wait for a
    byte, which has to be longer than any model there may take: a slow server reads a prompt for a minute in silence.

    ``token_field``: what the server calls the limit of the answer; unset: by the model's family. ``entra``: sign in
    with Entra ID instead of a key. ``key_name`` and ``key_file``: the variable or the file the key comes from.
    """

    kind: Literal["azure", "openai", "compatible"]
    name: str
    url: str
    key: str | None = field(repr=False, default=None)
    api_version: str = "2024-10-21"
    entra: bool = False
    timeout_s: float = 30.0
    connections_max: int = 1024
    token_field: TokenField | None = None
    key_name: str | None = None
    key_file: Path | None = None

    def address(self, model: str) -> str:
        """The address that a call of this model asks, without anything secret."""
        parts = urlsplit(self.url)
        base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        if self.kind != "azure":
            return base
        return f"{base}/openai/v1" if self.api_version == V1 else f"{base}/openai/deployments/{model}"
