"""Prints what Ray keeps and shows: ``python -m tests.support.ray_tables GCS DASHBOARD``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import ray
from ray.util import state

_NAMESPACES: Final = (None, b"", b"serve", b"fun", b"job", b"cluster", b"dashboard", b"session", b"cls", b"tracing")
_PAGES: Final = (
    "/logical/actors", "/api/v0/actors?detail=1", "/api/v0/workers?detail=1", "/api/v0/runtime_envs?detail=1",
    "/api/v0/nodes?detail=1", "/api/v0/jobs?detail=1", "/api/jobs/", "/api/serve/applications/", "/nodes?view=summary",
    "/api/v0/tasks?detail=1", "/api/snapshot",
)  # fmt: skip


def main(address: str, dashboard: str) -> None:
    ray.init(address=address, namespace="search", _node_ip_address="127.0.0.1", log_to_driver=False)
    say = sys.stdout.buffer.write
    gcs: Any = ray._private.worker.global_worker.gcs_client
    for namespace in _NAMESPACES:
        for key in gcs.internal_kv_keys(b"", namespace):
            say(b"\nkv %b %b = " % (namespace or b"-", key) + (gcs.internal_kv_get(key, namespace) or b""))
    for listed in (state.list_actors, state.list_jobs, state.list_nodes, state.list_workers):
        for row in listed(detail=True, limit=1000):
            say(f"\n{row}".encode())
    from ray import serve

    say(f"\nserve {serve.status()}".encode())
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text(encoding="utf-8").strip()
    with httpx.Client(base_url=dashboard, timeout=20, headers={"Authorization": f"Bearer {token}"}) as http:
        for page in _PAGES:
            answer = http.get(page)
            say(f"\n{page} {answer.status_code} ".encode() + answer.content)


if __name__ == "__main__":
    main(*sys.argv[1:])
