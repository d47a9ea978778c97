"""The env file in every encoding and shape that editors and shells leave it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganggpt.config import Settings, read_settings, variable_of
from ganggpt.errors import ConfigRejected


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(tmp_path)


def said_about(content: bytes) -> str:
    Path(".env").write_bytes(content)
    with pytest.raises(ConfigRejected) as rejected:
        read_settings()
    return str(rejected.value)


@pytest.mark.parametrize(
    "text",
    [
        "SERVER_NAME=Café",
        "export SERVER_NAME=Café\n",
        "  SERVER_NAME = 'Café'  # a comment\r\n",
        '# first\n\nserver_name="Café"\n',
        "SERVER_NAME=Café\r\nTICKRATE=30\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_and_without_its_mark(text: str, encoding: str) -> None:
    Path(".env").write_bytes(text.encode(encoding))
    assert read_settings().server_name == "Café"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_utf_16_is_said_to_be_one(encoding: str) -> None:
    assert "UTF-16" in said_about("SERVER_NAME=My City\n".encode(encoding))


def test_a_file_in_latin_1_is_said_to_be_one_with_the_line() -> None:
    text = said_about("TICKRATE=30\nSERVER_NAME=Café\n".encode("latin-1"))
    assert ".env: its line 2 is not UTF-8, but Latin-1" in text


@pytest.mark.parametrize("line", ['GANGGPT_TOKEN="open', "GANGGPT_TOKEN: secretword", "GANGGPT_TOKEN='a' secretword"])
def test_a_line_that_nobody_can_read_is_named_and_not_shown(line: str) -> None:
    text = said_about(f"TICKRATE=30\n{line}\n".encode())
    assert "line 2 cannot be read" in text
    assert "secretword" not in text
    assert "open" not in text


def test_the_good_lines_of_a_broken_file_are_checked_too() -> None:
    text = said_about(b'SERVER_PORT=many\nSERVER_NAME="open\n')
    assert "line 2 cannot be read" in text
    assert "SERVER_PORT" in text


def test_a_directory_of_that_name_is_said_to_be_none() -> None:
    Path(".env").mkdir()
    with pytest.raises(ConfigRejected, match="is not a file, so no setting is read from it"):
        read_settings()
    with pytest.raises(ConfigRejected, match="is not a file"):
        read_settings(Path(".env"))


def test_a_huge_file_is_not_read() -> None:
    assert "larger than 1 MiB" in said_about(b"#" * (1 << 20) + b"\nTICKRATE=30\n")


def test_a_file_that_may_not_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("TICKRATE=30\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigRejected, match=r"it cannot be read: Permission denied"):
        read_settings()
