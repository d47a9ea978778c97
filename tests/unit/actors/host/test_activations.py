"""Who is awake, and what is still to be done for them."""

from __future__ import annotations

from ganggpt.actors.host.activation import Activation, wake
from ganggpt.actors.host.activations import Activations
from ganggpt.domain.ids import ActorId


def three() -> tuple[Activations, list[Activation]]:
    activations, made = Activations(), []
    for actor, shard in (("npc:a", "s:0"), ("npc:b", "s:1"), ("npc:c", "s:0")):
        made.append(wake(ActorId(actor), shard, None, 0.0))
        activations.add(made[-1])
    return activations, made


def test_only_some_of_the_dirty_ones_can_be_taken() -> None:
    activations, (a, b, c) = three()
    activations.mark_dirty(a)
    activations.mark_dirty(b)
    assert activations.take_dirty([b, c]) == {"npc:b": b}
    assert list(activations.dirty) == ["npc:a"]
    assert activations.take_dirty() == {"npc:a": a}
    assert not activations.dirty


def test_what_could_not_be_flushed_is_dirty_again_beside_what_became_dirty_meanwhile() -> None:
    activations, (a, b, _) = three()
    activations.mark_dirty(a)
    taken = activations.take_dirty()
    activations.mark_dirty(b)
    activations.put_back_dirty(taken)
    assert list(activations.dirty) == ["npc:a", "npc:b"]


def test_only_who_is_awake_gets_a_snapshot() -> None:
    activations, (a, b, _) = three()
    activations.mark_ripe(a.actor)
    activations.mark_ripe(b.actor)
    activations.drop(b.actor)
    assert activations.ripe() == [a]
    activations.clear_ripe()
    assert activations.ripe() == []


def test_those_of_a_shard_are_set_aside_and_brought_back() -> None:
    activations, (a, b, c) = three()
    aside = activations.set_aside(lambda _, shard: shard == "s:0")
    assert aside == {"npc:a": a, "npc:c": c}
    assert list(activations.values()) == [b]
    activations.bring_back(aside)
    assert len(activations) == 3
    assert activations["npc:a"] is a
