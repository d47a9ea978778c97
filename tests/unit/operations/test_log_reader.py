"""The log read back: its end, what is wanted of it, and what is added while it rotates."""

from __future__ import annotations

import json
import logging
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganggpt.cli import app
from ganggpt.errors import ConfigInvalid
from ganggpt.observability import log_file
from ganggpt.observability.log_file import SharedLogFile
from ganggpt.observability.log_lines import LineFormatter
from ganggpt.operations.log_reader import LogReader, Wanted

EVERYTHING = Wanted()


class Writer:
    """Writes into the log of a directory as a process of a world does."""

    def __init__(self, directory: Path, component: str = "host/one") -> None:
        self._file = SharedLogFile(directory)
        self._file.setFormatter(LineFormatter("town", component))

    def write(self, *texts: object, level: int = logging.INFO) -> None:
        for text in texts:
            self._file.handle(logging.LogRecord("ganggpt.test", level, "", 1, "%s", (text,), None))


def texts(directory: Path, wanted: Wanted = EVERYTHING, count: int = 100) -> list[str]:
    with LogReader(directory, wanted) as reader:
        return [line.text for line in reader.last(count)]


def test_the_last_lines_are_shown_over_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "FILE_BYTES_MAX", 500)
    Writer(tmp_path).write(*range(30))
    assert len(log_file.log_files(tmp_path)) > 2
    assert texts(tmp_path, count=25) == [str(n) for n in range(5, 30)]


def test_level_and_component_choose(tmp_path: Path) -> None:
    Writer(tmp_path, "host/one").write("one")
    Writer(tmp_path, "host/two").write("two", level=logging.ERROR)
    Writer(tmp_path, "bridge").write("bridge", level=logging.WARNING)
    assert texts(tmp_path, Wanted("WARNING")) == ["two", "bridge"]
    assert texts(tmp_path, Wanted(component="host")) == ["one", "two"]
    assert texts(tmp_path, Wanted(component="host/one")) == ["one"]
    assert texts(tmp_path, Wanted(component="ho")) == []


def test_a_message_of_several_lines_is_one(tmp_path: Path) -> None:
    Writer(tmp_path).write("first\nsecond", "third")
    assert texts(tmp_path, count=2) == ["first\nsecond", "third"]


def test_a_follower_sees_what_is_added_over_rotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "FILE_BYTES_MAX", 500)
    writer = Writer(tmp_path)
    writer.write("old")
    with LogReader(tmp_path, EVERYTHING) as reader:
        assert [line.text for line in reader.last(10)] == ["old"]
        writer.write(*range(20))
        assert len(log_file.log_files(tmp_path)) > 2
        followed = reader.follow()
        assert [line.text for line in islice(followed, 20)] == [str(n) for n in range(20)]
        writer.write(*range(20, 30))
        assert [line.text for line in islice(followed, 10)] == [str(n) for n in range(20, 30)]


def test_a_follower_waits_for_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    with LogReader(tmp_path / "logs", EVERYTHING) as reader:
        assert reader.last(10) == []
        Writer(tmp_path / "logs").write("it begins")
        assert next(iter(reader.follow())).text == "it begins"


def test_the_command_shows_lines_without_colour_where_there_is_no_terminal(tmp_path: Path) -> None:
    text = "a [red]text[/red] " + "that is long " * 20
    Writer(tmp_path / "logs").write(text, level=logging.ERROR)
    done = CliRunner().invoke(app, ["logs", "--data-dir", str(tmp_path), "--level", "error"])
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    assert f"ERROR town host/one ganggpt.test: {text}" in done.output


def test_the_command_says_where_it_looked_in_vain(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["logs", "--data-dir", str(tmp_path)])
    assert isinstance(done.exception, ConfigInvalid)
    assert str(tmp_path / "logs") in str(done.exception)


def test_the_command_gives_machines_the_parts_of_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Writer(tmp_path / "logs").write("it begins")
    from ganggpt.cli.logs_command import show_logs
    from ganggpt.cli.screen import screen

    screen.as_json = True
    try:
        show_logs(data_dir=tmp_path)
    finally:
        screen.as_json = False
    shown = json.loads(capsys.readouterr().out)
    assert (shown["level"], shown["component"], shown["text"]) == ("INFO", "host/one", "it begins")
