"""``demo``: the story in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from ganggpt.cli.screen import screen
from ganggpt.config import Settings
from ganggpt.demo.fake_parts import every_part
from ganggpt.demo.story import Demo, DemoResult, Line
from ganggpt.errors import StartFailed
from ganggpt.testing.fake_model import FakeModel, variables_for


def run_demo(settings: Settings, keep_in: Path | None, *, fake_model: bool) -> bool:
    """Play the demo in a world of its own and say how it ended; True when nothing was lost, doubled or forgotten.

    The world lives in a temporary directory, or in ``keep_in``, which must be empty then. ``fake_model``: let a fake
    language model speak, through the real gateway. Raises GangGPTError.
    """
    if keep_in is not None and keep_in.is_dir() and any(keep_in.iterdir()):
        raise StartFailed(f"The directory {keep_in} is not empty.", "Give the demo a directory of its own.")
    with contextlib.ExitStack() as stack:
        data_dir = keep_in or Path(stack.enter_context(_fresh_directory()))
        options = ("--port", "0", "--dashboard-port", "0", "--world", str(settings.world))
        result = asyncio.run(_interruptible(data_dir, options, fake_model))
    screen.result(dataclasses.asdict(result), "what the database says")
    return result.passed


def _fresh_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ganggpt-demo-", ignore_cleanup_errors=True)


async def _interruptible(data_dir: Path, options: Sequence[str], fake_model: bool) -> DemoResult:
    """Play; SIGTERM ends it as Ctrl-C does, so that the world it started is stopped either way."""
    model = FakeModel(every_part) if fake_model else None
    if model is not None:
        await model.start()
    try:
        environment = None if model is None else variables_for(model)
        playing = asyncio.create_task(Demo(data_dir, tell, *options, environment=environment).play())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
        return await playing
    finally:
        if model is not None:
            await model.stop()


def tell(line: Line) -> None:
    """One line of the story."""
    note = f"  [dim]({escape(line.note)})[/]" if line.note else ""
    if line.who:
        screen.say(f"  [bold]{escape(line.who)}[/] {escape(line.text)}{note}")
    else:
        screen.say(f"[italic]{escape(line.text)}[/]{note}")
