"""The command ``ganggpt``."""

from ganggpt.cli.all_commands import app, main

__all__ = ["app", "main"]
