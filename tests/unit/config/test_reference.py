"""The generated configuration table and example file are what the settings say."""

from __future__ import annotations

from pathlib import Path

from ganggpt.config import Settings, read_settings, variable_of
from ganggpt.config_reference import CONFIGURATION, EXAMPLE, as_env_example, as_markdown, write_reference
from tests.support.paths import ROOT


def test_the_configuration_page_is_fresh() -> None:
    assert (ROOT / CONFIGURATION).read_text(encoding="utf-8") == as_markdown(), "run: make docs"


def test_the_example_env_file_is_fresh() -> None:
    assert (ROOT / EXAMPLE).read_text(encoding="utf-8") == as_env_example(), "run: make docs"


def test_the_example_is_a_valid_env_file_that_names_everything(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    write_reference(tmp_path)
    text = (tmp_path / EXAMPLE).read_text(encoding="utf-8")
    assert all(f"{variable_of(name)}=" in text for name in Settings.model_fields)
    assert read_settings(tmp_path / EXAMPLE).shards == 256
