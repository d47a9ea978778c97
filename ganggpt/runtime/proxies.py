"""HTTP proxies of the environment: nothing on this machine goes through one, whatever NO_PROXY says.

Our own clients of the bridge ignore the variables. Ray, Serve and what they start read them by themselves, so they are
told here, in the environment that they inherit.
"""

from __future__ import annotations

import ipaddress
import socket
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Final
from urllib.parse import urlsplit

import psutil

from ganggpt.errors import ConfigInvalid
from ganggpt.store_urls import is_on_this_machine

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "ws_proxy", "wss_proxy")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "127.0.0.2", "::1", "127.0.0.0/8")
"""Several forms, because every library reads others: gRPC no networks, requests no suffixes. Ray's address here is
127.0.0.2."""


def spare_this_machine(environment: MutableMapping[str, str]) -> None:
    """Add the addresses of this machine to NO_PROXY, in both spellings, where a proxy is set."""
    names = {name.lower() for name, value in environment.items() if value}
    if names.isdisjoint(_PROXIES):
        return
    given = (environment.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    hosts = [host.strip() for each in given for host in each.split(",") if host.strip()]
    spared = ",".join(dict.fromkeys([*hosts, *_LOOPBACK, *_own_addresses()]))
    environment["NO_PROXY"] = environment["no_proxy"] = spared


def check_proxies(environment: Mapping[str, str], urls: Iterable[str]) -> None:
    """Raises ConfigInvalid where one of these far servers would be asked through a proxy that cannot be used."""
    given = {name.lower(): (name, value) for name, value in environment.items() if value}
    no_proxy = {"no": given.get("no_proxy", ("", ""))[1]}
    for url in urls:
        parts = urlsplit(url)
        name, proxy = given.get(f"{parts.scheme}_proxy") or given.get("all_proxy") or ("", "")
        is_spared = urllib.request.proxy_bypass_environment(parts.netloc, no_proxy)  # type: ignore[attr-defined]
        kind = proxy.partition("://")[0].lower() if "://" in proxy else "http"
        if proxy and kind not in {"http", "https"} and not is_spared and not is_on_this_machine(url):
            problem = (
                f"the language model at {parts.hostname} would be asked through this proxy, which is no HTTP proxy"
            )
            raise ConfigInvalid(name, problem, "Name an HTTP proxy, or put that host into NO_PROXY.")


def _own_addresses() -> Iterator[str]:
    """The addresses of this machine: nodes of a Ray cluster meet under them."""
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family in {socket.AF_INET, socket.AF_INET6} and not each.address.startswith("fe80"):
                address = ipaddress.ip_address(each.address.partition("%")[0])
                if not address.is_loopback:
                    yield str(address)
