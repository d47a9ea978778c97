"""The client can be used without the server's libraries."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys
import ganggpt.client.game_server
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("ganggpt.")}
assert rooms <= {"client", "protocol", "domain", "errors"}, rooms
assert not {"ray", "asyncpg", "redis", "starlette", "pydantic"} & {name.partition(".")[0] for name in sys.modules}
"""


def test_the_client_imports_no_library_of_the_server() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
