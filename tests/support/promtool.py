"""Prometheus' own opinion about what we show and ship."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.debian import needs


def complaints_about_metrics(exposition: bytes) -> str:
    """What `promtool check metrics` says about an exposition; nothing where it is clean."""
    done = subprocess.run(
        [needs("promtool"), "check", "metrics"], input=exposition, capture_output=True, check=False, timeout=60
    )
    return (done.stdout + done.stderr).decode() or ("" if done.returncode == 0 else f"exit status {done.returncode}")


def checked(what: str, file: Path) -> str:
    """What `promtool check rules` or `check config` says about a file. Fails where it is wrong."""
    done = subprocess.run(
        [needs("promtool"), "check", what, str(file)], capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
