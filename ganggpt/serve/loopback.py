"""Keeps a replica's port for calls between deployments on loopback where the world is on one machine."""

from __future__ import annotations

from typing import Any, Final

import ray
from ray._common.network_utils import get_localhost_ip, is_localhost
from ray._common.tls_utils import add_port_to_grpc_server
from ray.serve._private import replica

_EVERYWHERE: Final = "[::]:"


def stay_on_loopback() -> None:
    """Call it in the constructor of a deployment, before Serve opens the port.

    Serve binds it to all interfaces whatever its options say, and unpickles what arrives there from who has the token.
    Everything else of Ray and Serve can be told where to listen.
    """
    if is_localhost(ray.util.get_node_ip_address()):
        replica.add_port_to_grpc_server = _add_loopback_port


def _add_loopback_port(server: Any, address: str) -> Any:
    return add_port_to_grpc_server(server, address.replace(_EVERYWHERE, f"{get_localhost_ip()}:"))
