"""Ray's own logs, apart from ours: ``logs/ray`` of the data directory leads to them while Ray runs, and has them after.

Ray writes into its session directory, which has to have a short path and goes when the world stops.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from ganggpt.observability.log_file import LOG_FOLDER
from ganggpt.runtime.network_ports import RAY_FOLDER

_FILE_BYTES_MAX: Final = 8 * 1024 * 1024
_FILES_MAX: Final = 1000


class RayLogs:
    """Owns ``place``, where the logs of the last start are. ``directory``: the one of ``ray_directory``."""

    def __init__(self, directory: Path, data_dir: Path) -> None:
        self.place = data_dir / LOG_FOLDER / "ray"
        self._written = directory / RAY_FOLDER / "session_latest" / "logs"

    def lead(self) -> None:
        """Let ``place`` lead to what Ray is about to write."""
        self._clear()
        self.place.parent.mkdir(mode=0o700, exist_ok=True)
        self.place.symlink_to(self._written)

    def keep(self) -> None:
        """Copy what Ray wrote to ``place``, before its directory goes; of a long file the end. Does nothing where there
        is nothing, or where it was kept already."""
        if not self.place.is_symlink() or not self._written.is_dir():
            return
        self._clear()
        files = [path for path in sorted(self._written.rglob("*")) if path.is_file() and not path.is_symlink()]
        for path in files[:_FILES_MAX]:
            copy = self.place / path.relative_to(self._written)
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("rb") as source, os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as target:
                source.seek(max(0, path.stat().st_size - _FILE_BYTES_MAX))
                shutil.copyfileobj(source, target)

    def _clear(self) -> None:
        if self.place.is_symlink():
            self.place.unlink()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.place)
