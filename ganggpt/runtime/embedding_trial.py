"""Tries the embedding model of the settings before anything of a world is started.

In a process of its own: a model takes memory that the process of the start would keep, and one that crashes (a CPU it
was not made for, too little memory) must not take the start with it.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from ganggpt.ai.gateway.sentence_model import SETTING, try_model
from ganggpt.errors import ConfigInvalid


async def try_embeddings(folder: Path) -> None:
    """Load the model of a folder and embed with it. Raises ConfigInvalid."""
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    try:
        await asyncio.get_running_loop().run_in_executor(pool, try_model, folder)
    except BrokenProcessPool:
        fix = "Take a smaller model, or one made for the CPU of this machine."
        raise ConfigInvalid(SETTING, f"a process ended that loaded the model in {folder}", fix) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
