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
from ganggpt.demo.model_server import ModelServer
from ganggpt.demo.story import Demo, DemoResult, StoryLine
from ganggpt.errors import StartFailed
from ganggpt.testing.fake_model import fake_model, variables_for


def run_demo(settings: Settings, keep_in: Path | None, *, fake_model: bool, model: ModelServer | None = None) -> bool:
    """Play the demo in a world of its own and show its result; True when nothing was lost, doubled or forgotten.

    The world lives in a temporary directory, or in ``keep_in``, which must be empty then. ``fake_model``: let a fake
    language model speak, through the real gateway; ``model``: let this one speak. Raises GangGPTError.
    """
    if keep_in is not None and keep_in.is_dir() and any(keep_in.iterdir()):
        raise StartFailed(f"The directory {keep_in} is not empty.", "Give the demo a directory of its own.")
    with contextlib.ExitStack() as stack:
        data_dir = keep_in or Path(stack.enter_context(_fresh_directory()))
        options = ("--port", "0", "--dashboard-port", "0", "--world", str(settings.world))
        playing = _with_fake_model(data_dir, options) if fake_model else _played(data_dir, options, model)
        result = asyncio.run(playing)
    screen.result(dataclasses.asdict(result), "what the database says")
    return result.passed


def _fresh_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ganggpt-demo-", ignore_cleanup_errors=True)


def model_server(settings: Settings, url: str | None, model: str | None) -> ModelServer | None:
    """The server whose model is to speak; None where none is named. Raises StartFailed where half of it is."""
    if url is None and model is None:
        return None
    if url is None:
        raise StartFailed("The option --model is given without --model-url.", "Give the address of its server, too.")
    if model is None:
        raise StartFailed(
            "The option --model-url is given without --model.", "Give the server's name of the model, too."
        )
    key = None if settings.openai_api_key is None else settings.openai_api_key.get_secret_value()
    server = ModelServer(url, model, key)
    is_set = "ai_wait_s" in settings.model_fields_set
    return dataclasses.replace(server, wait_s=settings.ai_wait_s) if is_set else server


async def _with_fake_model(data_dir: Path, options: Sequence[str]) -> DemoResult:
    async with fake_model(every_part) as model:
        return await _interruptible(Demo(data_dir, tell, *options, environment=variables_for(model)))


async def _played(data_dir: Path, options: Sequence[str], model: ModelServer | None) -> DemoResult:
    if model is None:
        return await _interruptible(Demo(data_dir, tell, *options))
    with tempfile.TemporaryDirectory(prefix="ganggpt-demo-model-") as folder:
        environment = model.variables(Path(folder))
        return await _interruptible(Demo(data_dir, tell, *options, environment=environment, model=model))


async def _interruptible(demo: Demo) -> DemoResult:
    """Play; SIGTERM ends it as Ctrl-C does, so that the world it started is stopped either way."""
    playing = asyncio.create_task(demo.play())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    return await playing


def tell(line: StoryLine) -> None:
    """Show one line of the story."""
    note = f"  [dim]({escape(line.note)})[/]" if line.note else ""
    if line.who:
        screen.say(f"  [bold]{escape(line.who)}[/] {escape(line.text)}{note}")
    else:
        screen.say(f"[italic]{escape(line.text)}[/]{note}")
