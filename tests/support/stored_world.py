"""A small world as the world store keeps it."""

from __future__ import annotations

from ganggpt.domain.world import District, World

WORLD = World(
    name="los-santos",
    title="Los Santos",
    seed=2**62 + 7,
    districts={
        "docks": District(id="docks", name="Docks", kind="port", x=1, y=2, z=3, radius_m=400, neighbours=("hills",))
    },
)


CAST = {"npc:mara": ("Spawn", b"\x80"), "faction:ballas": ("Found", b"\x81\xa1a\x01")}


SHARDS = [f"s:{n}" for n in range(16)]
