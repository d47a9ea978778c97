"""What is shown on a terminal, in a file and to machines."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ganggpt.cli.screen import rounded
from tests.support.paths import ROOT

_STEPS = """
import logging, time
from ganggpt.cli.screen import screen
from ganggpt.runtime.launch import Step
screen.start_logs("info")
screen.own_output()
screen.step(Step("Ray", "started", 0.0, ""))
for n in range(5):
    time.sleep(0.15)
    logging.getLogger("ganggpt.test").warning("line %d of the log", n)
    screen.say(f"line {n} of the output")
screen.step(Step("Ray", "done", 1.0, "here"))
screen.result({"mood": 79.99999999999997, "cost": 0.0000031})
"""
_NOT_STYLE = re.compile(r"\x1b\[(?:\?25[lh]|\d*[A-K])")
"""Moves of the cursor, which a spinner needs; not colours and styles."""


def on_a_terminal(code: str, **environment: str) -> str:
    """What a program writes to a terminal of 80 columns, both outputs together."""
    ours, theirs = pty.openpty()
    given = {**os.environ, "COLUMNS": "80", "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **environment}
    given.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
    process = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=given)
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # the program closed its side
            break
        if not read:
            break
        shown += read
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


def screen_of(written: str) -> list[str]:
    """The lines that stay on the screen: what was erased and written over is gone."""
    lines = [""]
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r\n|\r|\n)", written):
        if part in ("\r\n", "\n"):
            lines.append("")
        elif part == "\r":
            lines[-1] += "\0"
        elif part == "\x1b[2K":
            lines[-1] = ""
        elif part.startswith("\x1b["):
            if part.endswith("A") and len(lines) > 1:
                lines.pop()
        else:
            # What is written after a carriage return stands over what was there.
            lines[-1] = part if lines[-1].endswith("\0") else lines[-1] + part
    return [line.strip("\0 ") for line in lines]


def test_lines_of_the_log_and_of_the_output_stand_alone_while_something_is_under_way() -> None:
    lines = screen_of(on_a_terminal(_STEPS))
    for n in range(5):
        assert f"line {n} of the output" in lines
        (logged,) = (line for line in lines if f"line {n} of the log" in line)
        assert re.fullmatch(rf"(\[[\d/]+ )?[\d:\]\[ /]*\s*WARNING\s+line {n} of the log", logged)
    assert not [line for line in lines if "⠋" in line and "line" in line]
    assert any("✓ Ray" in line and "here" in line for line in lines)


def test_without_colours_there_are_no_styles_either() -> None:
    plain = _NOT_STYLE.sub("", on_a_terminal(_STEPS, NO_COLOR="1"))
    assert "\x1b" not in plain


def test_numbers_are_short_and_small_ones_stay() -> None:
    long = {"a": 0.7999999999999972, "b": [79.99999999999997, 3.1e-06, 5, True, None, "0.7999999999999972"]}
    assert rounded(long) == {"a": 0.8, "b": [80.0, 3.1e-06, 5, True, None, "0.7999999999999972"]}
    assert "80.0" in on_a_terminal(_STEPS)


@pytest.mark.parametrize(
    "words", [("world", "check", "--json"), ("status", "--json"), ("world", "check", "nowhere", "--json")]
)
def test_machines_get_json_and_no_control_characters_even_on_a_terminal(words: tuple[str, ...], tmp_path: Path) -> None:
    code = f"import sys; sys.argv = ['ganggpt', *{words!r}]\nfrom ganggpt.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass"
    said = on_a_terminal(code, GANGGPT_DATA_DIR=str(tmp_path), GANGGPT_WORLD=str(ROOT / "worlds/los-santos"))
    assert "\x1b" not in said
    for line in said.splitlines():
        json.loads(line)


def test_files_get_no_control_characters(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _STEPS], capture_output=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert b"\x1b" not in ended.stdout + ended.stderr
