"""Keeps what we write to the user we run as: 0700 for directories, 0600 for files.

The umask does it for what is made from now on, in this process and in all that it starts; ``narrow`` does it for what
an older version or another umask left behind.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from ganggpt.errors import StartFailed

UMASK: Final = 0o077
_OTHERS: Final = 0o077


def keep_private() -> None:
    """Take all rights of group and others from what this process and its children make from now on."""
    os.umask(UMASK)


def private_directory(path: Path) -> None:
    """Make a directory that only our user can enter, or narrow the one that is there. Raises StartFailed where it is
    shared with other users or belongs to one: who owns a directory can replace everything in it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_mode & stat.S_ISVTX:
        fix = "Name a directory in it."
        raise StartFailed(f"The directory {path} is shared with the other users of this machine.", fix)
    if found.st_uid != os.geteuid():
        fix = f"Use another one, or give it to us: chown -R {os.geteuid()} {path}"
        raise StartFailed(f"The directory {path} belongs to user {found.st_uid}, and we run as {os.geteuid()}.", fix)
    if found.st_mode & _OTHERS:
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def narrow(folder: Path) -> None:
    """Take all rights of group and others from everything below a directory of ours. Symbolic links are not followed.

    Raises StartFailed where the file system refuses.
    """
    try:
        for parent, names, files in os.walk(folder):
            for name in (*names, *files):
                path = Path(parent, name)
                mode = path.lstat().st_mode
                if mode & _OTHERS and not stat.S_ISLNK(mode):
                    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:
        return  # somebody tidies up
    except PermissionError as refused:
        problem = f"{refused.filename} can be read by other users, and its mode cannot be changed."
        raise StartFailed(problem, f"Give it to our user: chown -R {os.geteuid()} {folder}") from None


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only our user can read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)


def readable_by_others(path: Path) -> bool:
    """Whether group or others may read a file."""
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
