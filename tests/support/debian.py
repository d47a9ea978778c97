"""Programs that some tests need and that come as Debian packages, which `.ci/run` installs."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# The package of each program. Its tests skip without it, except in CI, where what is missing is a fault of CI.
PACKAGES = {
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "pgbouncer": "pgbouncer",
    "promtool": "prometheus",
}
# Debian keeps servers here, where an ordinary user's PATH does not look.
_SERVER_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def needs(program: str) -> str:
    """The path of a program that a test needs; skips the test, and in CI fails it, where it is not installed."""
    found = shutil.which(program) or shutil.which(program, path=_SERVER_FOLDERS)
    if found is None:
        skip_outside_ci(f"{program} is not installed; on Debian: apt install {PACKAGES[program]}")
    return found


def skip_outside_ci(reason: str) -> NoReturn:
    """Skips the test with a reason; in CI it fails, because there nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
