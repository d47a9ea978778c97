"""What we write is for our user alone, whatever the umask was and whatever is there already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganggpt.errors import StartFailed
from ganggpt.private_files import narrow, private_directory, write_private


def mode_of(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def test_a_new_directory_and_a_file_in_it_are_for_our_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_directory(tmp_path / "a" / "b")
        write_private(tmp_path / "a" / "b" / "token", b"secret")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "a" / "b") == 0o700
    assert mode_of(tmp_path / "a" / "b" / "token") == 0o600


def test_a_directory_that_was_open_is_narrowed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    private_directory(tmp_path)
    assert mode_of(tmp_path) == 0o700


def test_a_directory_for_everybody_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(StartFailed, match=r"shared with the other users.* Name a directory in it"):
        private_directory(tmp_path)
    assert mode_of(tmp_path) == 0o1777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12_345, 12_345)
    with pytest.raises(StartFailed, match=r"belongs to user 12345.*chown -R 0"):
        private_directory(theirs)


def test_what_an_older_version_left_open_is_narrowed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.write_text("of somebody else")
    outside.chmod(0o644)
    (data / "redis").mkdir(parents=True)
    files = {data / "redis" / "appendonly.aof": 0o644, data / "start": 0o755}
    for path, mode in files.items():
        path.touch()
        path.chmod(mode)
    (data / "redis").chmod(0o755)
    (data / "link").symlink_to(outside)
    narrow(data)
    assert [mode_of(path) for path in files] == [0o600, 0o700]
    assert mode_of(data / "redis") == 0o700
    assert mode_of(outside) == 0o644


def test_a_file_is_replaced_whole_and_no_other_one_is_left(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("open")
    path.chmod(0o644)
    write_private(path, b"private")
    assert (path.read_bytes(), mode_of(path), list(tmp_path.iterdir())) == (b"private", 0o600, [path])


def test_every_command_writes_for_our_user_alone() -> None:
    code = """
import os, sys
from ganggpt.cli import main
sys.argv = ["ganggpt", "--help"]
os.umask(0)
try:
    main()
except SystemExit:
    print("umask", oct(os.umask(0)))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.splitlines()[-1] == "umask 0o77"
