"""Where `restore` and `fork` look for a snapshot that is given by its name."""

from __future__ import annotations

from pathlib import Path

from ganggpt.cli.snapshot_commands import FOLDER, source_of
from ganggpt.config import read_settings


def test_a_name_is_found_in_the_new_then_in_the_old_data_directory(tmp_path: Path) -> None:
    old, new = (read_settings(data_dir=tmp_path / name) for name in ("old", "new"))
    in_old, in_new = tmp_path / "old" / FOLDER / "monday", tmp_path / "new" / FOLDER / "monday"
    in_old.mkdir(parents=True)
    assert source_of(new, "monday", old) == str(in_old)
    in_new.mkdir(parents=True)
    assert source_of(new, "monday", old) == str(in_new)
    assert source_of(new, "gs://bucket/monday", old) == "gs://bucket/monday"
    assert source_of(new, "nowhere", old) == str(tmp_path / "new" / FOLDER / "nowhere"), "the error names this place"
