"""The log of a world: one line a record, written by many processes into one bounded file, and no secret in it."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganggpt.observability import log_file
from ganggpt.observability.log_file import FILES_MAX, SharedLogFile, UpLog, log_files, progress
from ganggpt.observability.log_lines import LineFormatter, LogLine, joined_lines

WRITER = """
import logging, sys
from pathlib import Path
from ganggpt.observability import log_file
log_file.FILE_BYTES_MAX = int(sys.argv[3])
log_file.start_logs(log_file.LogOptions("INFO", "town", sys.argv[1]), sys.argv[2])
for n in range(400):
    logging.getLogger("ganggpt.test").info("%s %d\\nsecond line %s", sys.argv[2], n, "x" * 40)
"""
BYTES_MAX = 60_000


def line_of(text: str, *arguments: object, **more: object) -> str:
    record = logging.LogRecord("ganggpt.test", logging.WARNING, "", 1, text, arguments, None)
    record.__dict__.update(more)
    return LineFormatter("los santos", "host/shared-1").format(record)


def read(directory: Path) -> list[LogLine]:
    return [
        line for path in log_files(directory) for line in joined_lines(path.read_text().removesuffix("\n").split("\n"))
    ]


@pytest.fixture
def up_log(tmp_path: Path) -> Iterator[Path]:
    log = UpLog(tmp_path / "logs", "town", "up")
    yield tmp_path / "logs"
    log.close()


def test_a_line_has_time_level_world_component_and_logger() -> None:
    (line,) = joined_lines([line_of("it took %d ms", 7)])
    assert line.time.endswith("Z")
    assert line[1:] == ("WARNING", "los_santos", "host/shared-1", "ganggpt.test", "it took 7 ms")


def test_no_text_can_pass_for_another_line() -> None:
    forged = line_of("a mistake")
    written = line_of("Ava says: %s", f"hi\n{forged}\r{forged}\u2028{forged}")
    (line,) = joined_lines(written.split("\n"))
    assert line.text.startswith("Ava says: hi\n")
    assert len(written.splitlines()) == 2


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert "\\x1b[2J" in line_of("\x1b[2J")


def test_a_traceback_belongs_to_its_line() -> None:
    try:
        raise ValueError("a mistake")
    except ValueError:
        written = line_of("a turn failed", exc_info=sys.exc_info())
    (line,) = joined_lines(written.split("\n"))
    assert line.text.startswith("a turn failed\nTraceback")
    assert line.text.endswith("ValueError: a mistake")


@pytest.mark.parametrize(
    "text",
    [
        "cannot connect to postgresql://ganggpt:hunter2@db:5432/ganggpt",
        "cannot connect to redis://:hunter2@db and postgres://a:p@ss/hunter2@db/x",
        "the header was Authorization: Bearer hunter2hunter2hunter2",
        "sent 'authorization': 'hunter2'",
        "Bearer hunter2hunter2hunter2",
        "password=hunter2 host=db",
        "api_key: hunter2",
    ],
)
def test_no_secret_that_a_library_says_is_written(text: str) -> None:
    assert "hunter2" not in line_of("%s", text)


def test_a_text_that_only_speaks_of_secrets_is_left_alone() -> None:
    text = "password authentication failed for user ganggpt; the bearer token is wrong; see http://a.example/b@c"
    assert line_of(text).endswith(text)


def test_an_endless_text_is_cut() -> None:
    assert len(line_of("x" * 1_000_000)) < 20_000


def test_processes_share_a_file_that_rotates_and_no_line_is_lost_or_mixed(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    names = ("host/one", "host/two", "bridge")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(directory), name, str(BYTES_MAX)]) for name in names]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    files = log_files(directory)
    assert 2 < len(files) <= FILES_MAX
    assert all(path.stat().st_size < BYTES_MAX + 1000 for path in files)
    lines = [line for line in read(directory) if line.logger == "ganggpt.test"]
    for name in names:
        texts = [line.text for line in lines if line.component == name]
        assert texts == [f"{name} {n}\nsecond line {'x' * 40}" for n in range(400)]


def test_the_log_is_private(up_log: Path) -> None:
    logging.getLogger("ganggpt.test").warning("it begins")
    assert up_log.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in log_files(up_log)] == [0o600]


def test_the_oldest_lines_go_when_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "FILE_BYTES_MAX", 1000)
    handler = SharedLogFile(tmp_path)
    handler.setFormatter(LineFormatter("town", "up"))
    for n in range(500):
        handler.handle(logging.LogRecord("ganggpt.test", logging.INFO, "", 1, "%d", (n,), None))
    handler.close()
    assert len(log_files(tmp_path)) == FILES_MAX
    numbers = [int(line.text) for line in read(tmp_path)]
    assert numbers == list(range(numbers[0], 500))


def test_a_log_that_somebody_removed_begins_anew(up_log: Path) -> None:
    logging.getLogger("ganggpt.test").warning("before")
    for path in log_files(up_log):
        path.unlink()
    logging.getLogger("ganggpt.test").warning("after")
    assert [line.text for line in read(up_log)] == ["after"]


def test_progress_goes_to_the_file_alone(up_log: Path) -> None:
    logging.getLogger("ganggpt").setLevel(logging.INFO)
    terminal = io.StringIO()
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        progress.info("Redis: 0.1 s")
    finally:
        logging.getLogger().removeHandler(handler)
    assert [line.text for line in read(up_log)] == ["Redis: 0.1 s"]
    assert terminal.getvalue() == ""


def test_a_directory_that_cannot_be_written_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("a file")
    handler = SharedLogFile(tmp_path / "logs")
    for n in range(3):
        handler.handle(logging.LogRecord("ganggpt.test", logging.INFO, "", 1, "%d", (n,), None))
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1
    assert str(tmp_path / "logs") in said
