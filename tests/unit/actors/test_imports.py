"""The runtime speaks to its stores through ports alone."""

from __future__ import annotations

import subprocess
import sys

_IMPORT_ALL = """
import importlib, pkgutil, sys
import ganggpt.actors
# What starts processes also chooses their adapters.
composed = ("ganggpt.actors.host.composition", "ganggpt.actors.ray.")
names = [m.name for m in pkgutil.walk_packages(ganggpt.actors.__path__, "ganggpt.actors.")]
chosen = [name for name in names if not name.startswith(composed)]
assert len(chosen) > 30, chosen
for name in chosen:
    importlib.import_module(name)
print(*sorted({"asyncpg", "redis", "sqlalchemy", "ray"} & set(sys.modules)))
"""


def test_importing_the_actors_imports_no_client_of_a_store() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []
