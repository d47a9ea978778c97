"""Debian's own Python, an early 3.11 in Debian 12, with the packages of the environment that runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import ganggpt

PYTHON = Path("/usr/bin/python3")
_VERSION = "import sys; print(*sys.version_info[:2])"
# The lock has async-timeout for Python before 3.11.3 alone, so an environment of a later one lacks it.
_ASYNC_TIMEOUT = "from asyncio import timeout as timeout\n"


def needs_debian_python() -> None:
    """Skips a test where the system's Python is missing, or another one than the packages here were installed for."""
    ours = " ".join(map(str, sys.version_info[:2]))
    theirs = ""
    if PYTHON.exists():
        theirs = subprocess.run([PYTHON, "-c", _VERSION], capture_output=True, text=True, check=True).stdout.strip()
    if theirs != ours:
        pytest.skip(f"{PYTHON} is {theirs.replace(' ', '.') or 'missing'}, the packages here are for Python {ours}")


def environment_of(home: Path) -> Mapping[str, str]:
    """The variables with which that Python finds us and our packages. ``home``: for a file of ours."""
    (home / "async_timeout.py").write_text(_ASYNC_TIMEOUT)
    packages = Path(pytest.__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (Path(ganggpt.__file__).parents[1], packages, home)))}
