"""``bin/ganggpt`` finds the environment beside it, from wherever it is called and whatever its path is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """A copy of it in a folder with an odd name."""
    path = tmp_path / "my 'games' ü" / "bin" / "ganggpt"
    path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "bin" / "ganggpt", path)
    return path


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.run(
        [path, *words], check=False, env=environment, cwd="/", capture_output=True, text=True, timeout=60
    )


def test_without_an_environment_it_says_how_to_get_one(launcher: Path) -> None:
    done = run(launcher, "status")
    assert done.returncode == 2
    assert "run make install" in done.stderr
    assert str(launcher.parents[1]) in done.stderr


def test_it_runs_the_command_with_its_words_through_a_link_too(launcher: Path, tmp_path: Path) -> None:
    python = launcher.parents[1] / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    link = tmp_path / "gg"
    link.symlink_to(launcher)
    data_dir = str(tmp_path / "my data")
    for path in (launcher, link):
        done = run(path, "status", "--json", "--data-dir", data_dir)
        assert (done.returncode, done.stderr) == (3, "")
        assert data_dir in done.stdout
