"""A directory of data that cannot be used is said before anything starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganggpt.errors import ConfigInvalid
from ganggpt.runtime import data_dir
from ganggpt.runtime.data_dir import make_usable
from tests.support.paths import ROOT


def test_it_is_made_with_all_above_it(tmp_path: Path) -> None:
    make_usable(tmp_path / "a" / "b c" / "ü")
    assert list((tmp_path / "a" / "b c" / "ü").iterdir()) == []


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_its_way_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigInvalid, match=re.escape(f"{tmp_path / 'file'} is a file and no directory")) as refused:
        make_usable(tmp_path / "file" / below)
    assert refused.value.variable == "GANGGPT_DATA_DIR"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("x" * 300, "File name too long"),
        ("/proc/nowhere/world", "no files can be made"),
        ("/sys/world", "no files can"),
    ],
)
def test_a_place_where_no_directory_can_be_is_said(tmp_path: Path, place: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        make_usable(tmp_path / place)


def test_a_chain_of_links_without_end_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ConfigInvalid):
        make_usable(tmp_path / "a" / "world")


def test_a_directory_of_somebody_else_is_said(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    code = f"import pathlib; from ganggpt.runtime import data_dir; data_dir.make_usable(pathlib.Path({str(closed)!r}))"
    if os.geteuid() == 0:
        # Root may write everywhere, so another user tries; it has to get to our code and to the directory.
        code = f"import os; from ganggpt.runtime import data_dir; os.setuid(65534); {code}"
        for folder in (tmp_path, *tmp_path.parents):
            if not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o001)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert "GANGGPT_DATA_DIR: no files can be made in" in done.stderr
    assert "Permission denied" in done.stderr


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(data_dir.shutil, "disk_usage", lambda _: usage._replace(free=5 * 2**20))
    with pytest.raises(ConfigInvalid, match="has only 5 MiB left, 256 are needed"):
        make_usable(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists() or os.geteuid() != 0, reason="mounting needs root")
def test_a_really_full_disk_is_said(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)],
        capture_output=True, check=False, timeout=20,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("this container may not mount")
    try:
        with pytest.raises(ConfigInvalid, match=r"MiB left|No space left"):
            make_usable(small / "world")
    finally:
        subprocess.run(["umount", str(small)], check=True, timeout=20)
