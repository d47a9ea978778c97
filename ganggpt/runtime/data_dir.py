"""The directory of data of a world: whether it can be used, asked before anything is started."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from ganggpt.errors import ConfigInvalid

VARIABLE: Final = "GANGGPT_DATA_DIR"
_FREE_BYTES_MIN: Final = 256 * 1024 * 1024
"""An empty Postgres takes some 40 MiB, its first segments of the write-ahead log as much again."""
_ANOTHER: Final = "Choose another directory with --data-dir or GANGGPT_DATA_DIR"


def make_usable(data_dir: Path) -> None:
    """Make the directory where it is missing, and check that files can be made in it. Raises ConfigInvalid."""
    blocked = next((each for each in (data_dir, *data_dir.parents) if _is_no_directory(each)), None)
    if blocked is not None:
        raise ConfigInvalid(VARIABLE, f"{blocked} is a file and no directory", f"{_ANOTHER}, or move the file away.")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as unusable:
        place = unusable.filename or data_dir
        problem = f"no files can be made in {data_dir}: {unusable.strerror or unusable} ({place})"
        fix = f"{_ANOTHER}, or let this user (uid {os.geteuid()}) write there."
        raise ConfigInvalid(VARIABLE, problem, fix) from None
    free = shutil.disk_usage(data_dir).free
    if free < _FREE_BYTES_MIN:
        problem = f"the disk of {data_dir} has only {free // 2**20} MiB left, {_FREE_BYTES_MIN // 2**20} are needed"
        raise ConfigInvalid(VARIABLE, problem, f"Free some space, or {_ANOTHER[0].lower()}{_ANOTHER[1:]}.")


def _is_no_directory(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)
