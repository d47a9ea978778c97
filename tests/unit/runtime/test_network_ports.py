"""Ports and directories: worlds do not meet, and what is taken is left alone."""

from __future__ import annotations

import dataclasses
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganggpt.errors import StartFailed
from ganggpt.runtime import network_ports
from ganggpt.runtime.network_ports import (
    WantedPorts,
    WorldPorts,
    choose_ports,
    is_free,
    ray_directory,
    with_ipv6_loopback,
)
from ganggpt.runtime.port_claims import PortClaims


def all_ports(ports: WorldPorts) -> set[int]:
    single = set(dataclasses.astuple(ports)) - {ports.replicas, ports.replicas_grpc}
    return single | {first + n for first in (ports.replicas, ports.replicas_grpc) for n in range(ports.REPLICAS_MAX)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def claims() -> Iterator[PortClaims]:
    held = PortClaims()
    yield held
    held.release()


def chosen(
    home: Path, claims: PortClaims, server: int = 0, dashboard: int = 0, *, must_serve: bool = True
) -> WorldPorts:
    """What a world chooses that has the machine for itself again afterwards."""
    ports = choose_ports(home, WantedPorts(server, dashboard, must_serve), claims)
    claims.release()
    return ports


def test_a_world_keeps_its_ports_and_shares_none_within_itself(tmp_path: Path, claims: PortClaims) -> None:
    ports = chosen(tmp_path, claims, 0, 0)
    assert ports == chosen(tmp_path, claims, 0, 0)
    assert len(all_ports(ports)) == 8 + 2 * WorldPorts.REPLICAS_MAX


def test_a_block_with_a_taken_port_is_left_to_whoever_has_it(tmp_path: Path, claims: PortClaims) -> None:
    first = chosen(tmp_path, claims, 0, 0)
    with socket.create_server(("127.0.0.1", first.stats)):
        second = chosen(tmp_path, claims, 0, 0)
    assert not all_ports(first) & all_ports(second)


def test_where_somebody_else_has_the_port_at_the_ipv6_loopback_it_is_left_alone() -> None:
    try:
        taken = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        assert with_ipv6_loopback("127.0.0.1", 22005) == "127.0.0.1", "there is no such address here"
        return
    with taken:
        port = taken.getsockname()[1]
        assert with_ipv6_loopback("127.0.0.1", port) == "127.0.0.1"
    assert with_ipv6_loopback("127.0.0.1", port) == f"[::1]:{port} v6only\n    bind 127.0.0.1"


def test_a_taken_bridge_port_is_an_error_that_names_it(tmp_path: Path, claims: PortClaims) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(StartFailed, match=f"Port {port} is in use"):
            chosen(tmp_path, claims, port, 0)


def test_a_taken_dashboard_port_falls_back_to_a_free_one(tmp_path: Path, claims: PortClaims) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert chosen(tmp_path, claims, 0, port).dashboard != port


def test_the_block_never_holds_the_bridge_port(tmp_path: Path, claims: PortClaims) -> None:
    ports = chosen(tmp_path, claims, 0, 0)
    wanted = ports.replicas + 1
    again = chosen(tmp_path, claims, wanted, 0)
    assert again.server == wanted
    assert wanted not in all_ports(dataclasses.replace(again, server=again.stats))


def test_the_ray_directory_is_private_stable_and_short_enough_for_sockets(tmp_path: Path) -> None:
    one, other = ray_directory(tmp_path / "one"), ray_directory(tmp_path / "other")
    try:
        assert one == ray_directory(tmp_path / "one") != other
        assert one.stat().st_mode & 0o777 == 0o700
        assert len(os.fsencode(one)) <= 36
    finally:
        one.rmdir()
        other.rmdir()


@pytest.mark.parametrize("name", ["my files", "a" * 40, "dateien-ü", "100%"])
def test_a_temporary_directory_that_ray_cannot_use_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    path = ray_directory(tmp_path / "one")
    path.rmdir()
    assert path.parent == Path("/tmp")


def test_a_ray_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    path = ray_directory(tmp_path / "one")
    path.rmdir()
    path.symlink_to(tmp_path)
    try:
        with pytest.raises(StartFailed, match="belongs to another user"):
            ray_directory(tmp_path / "one")
    finally:
        path.unlink()


def test_two_worlds_that_start_at_the_same_time_share_no_port(tmp_path: Path, claims: PortClaims) -> None:
    """Nothing listens yet where the first will: the second must not choose it all the same."""
    wanted = WantedPorts(free_port(), free_port(), must_serve=False)
    first = choose_ports(tmp_path, wanted, claims)
    second = chosen(tmp_path, PortClaims(), wanted.server, wanted.dashboard, must_serve=False)
    assert (first.server, first.dashboard) == (wanted.server, wanted.dashboard)
    assert not all_ports(first) & all_ports(second)


def test_a_bridge_port_that_nobody_chose_falls_back_to_a_free_one(tmp_path: Path, claims: PortClaims) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert chosen(tmp_path, claims, port, 0, must_serve=False).server != port


def test_a_bridge_port_that_another_starting_world_chose_is_an_error(tmp_path: Path, claims: PortClaims) -> None:
    port = free_port()
    choose_ports(tmp_path, WantedPorts(port), claims)
    with pytest.raises(StartFailed, match=f"Port {port} is in use"):
        choose_ports(tmp_path / "other", WantedPorts(port), PortClaims())


def test_a_port_of_the_administrator_is_not_said_to_be_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reserved(socket.socket):
        """The sockets of a user who is not the administrator."""

        def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
            if address[1] < 1024:
                raise PermissionError(13, "Permission denied")
            super().bind(address)

    monkeypatch.setattr(network_ports.socket, "socket", Reserved)
    with pytest.raises(StartFailed, match="may not listen on port 80"):
        choose_ports(tmp_path, WantedPorts(80, 0), PortClaims())
