"""What make says about a Python that does not fit, before anything is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LOCKS = ("requirements-dev.lock", "requirements-model.lock")
OLD = '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18 && exit 0\nexit 1\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What make reads, in a directory with a blank in its name."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, folder)
    return folder


def program(path: Path, text: str = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["make", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_an_old_python_that_is_named_is_refused_with_its_version(clone: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "bin" / "python3.9")
    status, said = make(clone, "run", f"PYTHON={old}")
    assert status == 2
    assert f"GangGPT needs Python 3.11, 3.12 or 3.13; {old} is Python 3.9.18." in said
    assert not (clone / ".venv").exists()


def test_a_python_that_is_not_there_is_said(clone: Path) -> None:
    status, said = make(clone, "run", "PYTHON=/nowhere/python3")
    assert status == 2
    assert "There is no program /nowhere/python3." in said


@pytest.mark.parametrize("installed", [False, True])
def test_an_environment_of_an_old_python_is_said_with_what_to_do(clone: Path, installed: bool) -> None:
    program(clone / ".venv" / "bin" / "python")
    if installed:
        sums = f"cat {' '.join(LOCKS)} | cksum | tr ' ' '-'"
        name = subprocess.check_output(sums, shell=True, cwd=clone, text=True)
        (clone / ".venv" / f".installed-{name.strip()}").touch()
    status, said = make(clone, "run", f"PYTHON={sys.executable}")
    assert status == 2
    assert ".venv holds no Python 3.11, 3.12 or 3.13 that runs: Python 3.9.18." in said
    assert "make clean run" in said


def test_an_environment_whose_python_is_gone_is_said(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    status, said = make(clone, "run", f"PYTHON={sys.executable}")
    assert status == 2
    assert ".venv holds no Python 3.11, 3.12 or 3.13 that runs" in said
