"""The command ``ganggpt``."""

from ganggpt.cli.commands import app, main

__all__ = ["app", "main"]
