"""What another user of the machine can do with a path: tried as such a user, not read from modes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

STRANGER: Final = 54_321
"""A user and group id that no account has."""

_TRY: Final = """
import json, os, socket, stat, sys
os.setgroups([]); os.setgid({stranger}); os.setuid({stranger})
done = []
def tried(what, path, attempt):
    try:
        attempt()
    except OSError:
        return
    done.append([what, path])
def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
for path in json.load(sys.stdin):
    tried("read", path, lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
    tried("write", path, lambda: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)))
    tried("list", path, lambda: os.listdir(path))
    tried("put a file into", path, lambda: os.close(os.open(path + "/stranger", os.O_WRONLY | os.O_CREAT)))
    tried("enter", path, lambda: os.chdir(path))
    tried("connect to", path, lambda: connect(path))
    tried("execute", path, lambda: os.access(path, os.X_OK) or (_ for _ in ()).throw(OSError()))
json.dump(done, sys.stdout)
"""


def done_by_a_stranger(paths: Iterable[Path]) -> list[tuple[str, str]]:
    """What a user without any rights of ours managed to do, with the path. Skips where we are not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can try what another user can do")
    done = subprocess.run(
        [sys.executable, "-IS", "-c", _TRY.format(stranger=STRANGER)],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True, text=True, check=True, cwd="/", timeout=60,
    )  # fmt: skip
    return [(what, path) for what, path in json.loads(done.stdout)]
