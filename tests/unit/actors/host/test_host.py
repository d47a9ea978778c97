"""A host keeps the invariants: one turn at a time, acked means durable, applied once, everything bounded."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ganggpt.actors.envelope import Envelope, encode_batch, wrap, wrap_view
from ganggpt.actors.host import flusher
from ganggpt.actors.routing.shards import shared_shards
from ganggpt.domain.erasure import ForgetPlayer
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.kinds import KINDS, encode_command, encode_state
from ganggpt.domain.messages import Offer
from ganggpt.domain.npc.commands import AskForWork, Give, Observe, Spawn, Talk
from ganggpt.domain.player.rules import Join, Report
from ganggpt.domain.sheets import NpcTraits
from ganggpt.errors import CommitUnknown, Fenced, GangGPTError
from ganggpt.persistence.ports.hosts import LOCAL
from ganggpt.persistence.ports.journal import Batch, DueReminder, OutboxMessage, PushRow
from ganggpt.serve.metrics.host_watch import SHOWN
from tests.support.eventually import eventually
from tests.support.runtime import FAST, MARA, SHARDS, Runtime

TRAITS: NpcTraits = {"friendliness": 50, "temper": 50, "greed": 50, "courage": 50}


async def test_a_member_of_the_cast_comes_to_life_when_first_spoken_to(runtime: Runtime) -> None:
    reply = await runtime.ask("npc:mara", Talk("Hello Mara"))
    assert reply["ok"]
    assert reply["seq"] == 2
    assert len(runtime.database.journaled("npc:mara")) == 2


async def test_an_unknown_actor_is_an_error_and_leaves_no_trace(runtime: Runtime) -> None:
    reply = await runtime.ask("npc:nobody", Talk("Hello?"))
    assert reply["error"]["code"] == "unknown_actor"
    assert (await runtime.view("npc:nobody"))["error"]["code"] == "unknown_actor"
    assert "npc:nobody" not in runtime.host("host:0").activations


async def test_the_same_id_twice_is_applied_once_and_answered_the_same(runtime: Runtime) -> None:
    command = new_command_id()
    first = await runtime.ask("npc:mara", Give("watch", 100), id=command)
    again = await runtime.ask("npc:mara", Give("watch", 100), id=command)
    assert again == first
    assert runtime.database.journaled("npc:mara").count(command) == 1


async def test_the_same_id_twice_in_one_batch_is_applied_once(runtime: Runtime) -> None:
    envelope = wrap(new_command_id(), "npc:mara", "player:ava", Give("watch", 100))
    first, again = await runtime.ask_all([envelope, envelope])
    assert first == again
    assert runtime.database.journaled("npc:mara").count(envelope.id) == 1


async def test_a_killed_host_comes_back_with_its_memory_and_knows_what_it_answered(runtime: Runtime) -> None:
    command = new_command_id()
    first = await runtime.ask("npc:mara", Give("silver watch", 300), id=command)
    before = (await runtime.view("npc:mara"))["reply"]
    await runtime.restart()
    assert await runtime.ask("npc:mara", Give("silver watch", 300), id=command) == first
    after = (await runtime.view("npc:mara"))["reply"]
    assert after["memories"] == before["memories"]
    assert any("silver watch" in memory["text"] for memory in after["memories"])


async def test_commands_to_a_host_that_dies_meanwhile_are_answered_once(runtime: Runtime) -> None:
    asked = [asyncio.create_task(runtime.ask("npc:mara", Give(f"coin {n}", n))) for n in range(FAST.mailbox_max)]
    await asyncio.sleep(0)
    await runtime.restart()
    replies = await asyncio.wait_for(asyncio.gather(*asked), 10)
    assert all(reply["ok"] for reply in replies)
    ids = [reply["id"] for reply in replies]
    journaled = runtime.database.journaled("npc:mara")
    assert sorted(i for i in journaled if i in ids) == sorted(ids)


@pytest.mark.parametrize("fault", ["lost", "held"])
async def test_a_commit_of_unknown_outcome_is_settled_by_a_new_incarnation(runtime: Runtime, fault: str) -> None:
    await runtime.ask("npc:mara", Talk("Hello"))
    epoch = runtime.host("host:0").identity.epoch
    runtime.journal.appends.append(fault)  # type: ignore[arg-type]
    command = new_command_id()
    reply = await runtime.ask("npc:mara", Give("watch", 50), id=command)
    assert reply["ok"]
    assert runtime.database.journaled("npc:mara").count(command) == 1
    assert runtime.host("host:0").identity.epoch > epoch


async def test_a_process_that_was_fenced_while_it_was_cut_off_does_not_come_back(runtime: Runtime) -> None:
    await runtime.ask("npc:mara", Talk("Hello"))
    incarnations = runtime.fleet.host("host:0")
    ended = asyncio.create_task(runtime.fleet.ended("host:0"))
    runtime.journal.appends.append("lost")
    lost = asyncio.create_task(
        incarnations.deliver(encode_batch([wrap(new_command_id(), "npc:mara", "player:ava", Give("watch", 1))]))
    )
    successor = await runtime.hosts.register("host:0", "shared")  # another process took the name meanwhile
    await asyncio.wait_for(ended, 10)
    with pytest.raises(GangGPTError):
        await lost
    assert runtime.database.is_live(successor.epoch)
    assert len(runtime.database.journaled("npc:mara")) == 2


async def test_a_fenced_host_answers_nothing_more(runtime: Runtime) -> None:
    await runtime.ask("npc:mara", Talk("Hello"))
    old = runtime.host("host:0")
    await runtime.hosts.register("host:0", "shared")
    with pytest.raises(GangGPTError) as refused:
        await old.deliver([wrap(new_command_id(), "npc:mara", "player:ava", Give("watch", 1))])
    assert isinstance(refused.value, Fenced)
    assert len(runtime.database.journaled("npc:mara")) == 2


async def test_a_host_refuses_actors_of_shards_it_does_not_hold(runtime: Runtime) -> None:
    await runtime.hosts.register("host:1", "shared")
    await runtime.hosts.hand_over(runtime.host("host:0").identity.epoch, sorted(shared_shards(SHARDS)), LOCAL, "host:1")
    await runtime.host("host:0").shards.refresh()
    (reply,) = await runtime.ask_all([wrap(new_command_id(), "npc:otis", "player:ava", Talk("Hi"))])
    assert reply["error"]["code"] == "moved"
    assert reply["error"]["retryable"]
    assert reply["error"]["to"] == "host:1"


async def test_a_crowd_of_cold_actors_wakes_with_a_few_reads(runtime: Runtime) -> None:
    names = [f"npc:crowd-{n}" for n in range(100)]
    await runtime.ask_all([wrap(new_command_id(), name, "server:ls", replace(MARA, name=name[4:])) for name in names])
    await runtime.restart()
    runtime.journal.load_calls = 0
    replies = await runtime.ask_all([wrap_view(new_command_id(), name, "server:ls") for name in names])
    assert all(reply["ok"] for reply in replies)
    assert runtime.journal.load_calls <= 3


async def test_a_full_mailbox_sheds_with_a_hint(runtime: Runtime) -> None:
    batch = [wrap(new_command_id(), "npc:mara", "player:ava", Talk(f"{n}")) for n in range(FAST.mailbox_max + 5)]
    replies = await runtime.ask_all(batch)
    shed = [reply["error"] for reply in replies if not reply["ok"]]
    assert [error["code"] for error in shed] == ["overloaded"] * 5
    assert all(error["retryable"] and error["retry_after_ms"] for error in shed)


async def test_a_database_that_is_unreachable_while_waking_is_a_retryable_error_and_then_over(runtime: Runtime) -> None:
    runtime.journal.loads.append("unreachable")
    (reply,) = await runtime.ask_all([wrap(new_command_id(), "npc:mara", "player:ava", Talk("Hi"))])
    assert reply["error"]["code"] == "unavailable"
    assert (await runtime.ask("npc:mara", Talk("Hi")))["ok"]


async def test_turns_of_one_actor_follow_each_other_in_the_order_they_came(runtime: Runtime) -> None:
    envelopes = [wrap(new_command_id(), "npc:mara", "player:ava", Give(f"coin {n}", n)) for n in range(8)]
    replies = await runtime.ask_all(envelopes)
    assert [reply["seq"] for reply in replies] == list(range(2, 10))
    assert runtime.database.journaled("npc:mara")[1:] == [e.id for e in envelopes]


async def test_a_message_creates_the_mission_once_even_when_its_answer_was_lost(runtime: Runtime) -> None:
    offered = (await runtime.ask("npc:mara", AskForWork()))["reply"]
    await eventually(lambda: not runtime.database.outbox)
    assert len(runtime.database.journaled(offered["mission"])) == 1
    # The settle got lost in a crash: the same message goes out again.
    message_id = runtime.database.journaled(offered["mission"])[0]
    shard = runtime.host("host:0").activations["npc:mara"].shard
    body = encode_command(Offer(offered["template"], "npc:mara", "player:ava"))
    message = OutboxMessage("npc:mara", 2, 0, offered["mission"], message_id, "Offer", body)
    runtime.database.outbox["npc:mara", 2, 0] = (shard, message)
    await runtime.restart()
    await eventually(lambda: not runtime.database.outbox)
    assert len(runtime.database.journaled(offered["mission"])) == 1


async def test_a_message_older_than_the_window_is_looked_up_in_the_journal(runtime: Runtime) -> None:
    old = new_command_id(1_600_000_000.0)
    template = wrap(old, "npc:mara", "mission:m", Observe("old news", 50))
    envelope = Envelope(old, template.to, template.by, template.name, template.body, inner=True)
    # Under a shard nobody holds: it waits, and only this test delivers it.
    runtime.database.outbox["mission:m", 1, 0] = (
        "s:none",
        OutboxMessage("mission:m", 1, 0, "npc:mara", old, "Observe", b""),
    )
    (first,) = await runtime.ask_all([envelope])
    assert first["ok"]
    await runtime.restart()
    (again,) = await runtime.ask_all([envelope])
    assert again == first
    assert runtime.database.journaled("npc:mara").count(old) == 1


async def test_a_message_nobody_waits_for_any_more_is_not_applied_even_when_its_turn_was_dropped(
    runtime: Runtime,
) -> None:
    """A process that was paused for weeks sends what was answered, and dropped from the journal, long ago."""
    old = new_command_id(1_600_000_000.0)
    template = wrap(old, "npc:mara", "mission:m", Observe("old news", 50))
    envelope = Envelope(old, template.to, template.by, template.name, template.body, inner=True)
    (reply,) = await runtime.ask_all([envelope])
    assert reply["error"]["code"] == "expired"
    assert not reply["error"]["retryable"]
    assert old not in runtime.database.journaled("npc:mara")


async def test_a_reminder_older_than_the_window_still_fires(runtime: Runtime) -> None:
    offered = (await runtime.ask("npc:mara", AskForWork()))["reply"]
    await eventually(lambda: not runtime.database.outbox)
    mission = offered["mission"]
    shard, reminder = runtime.database.reminders[mission, "due"]
    long_ago = DueReminder(mission, "due", 1_600_000_000.25, reminder.command, reminder.body)
    runtime.database.reminders[mission, "due"] = (shard, long_ago)
    await eventually(lambda: runtime.database.reminders.get((mission, "due"), (shard, long_ago))[1] != long_ago)
    assert len(runtime.database.journaled(mission)) == 2  # offered, and armed again because it is not over yet


async def test_an_old_id_from_outside_is_expired(runtime: Runtime) -> None:
    reply = await runtime.ask("npc:mara", Talk("Hi"), id=new_command_id(1_600_000_000.0))
    assert reply["error"]["code"] == "expired"
    assert not reply["error"]["retryable"]


async def test_a_position_is_acked_before_its_commit_and_committed_soon_after(runtime: Runtime) -> None:
    await runtime.ask("player:ava", Join("ava", "ls"))
    committed = len(runtime.database.journaled("player:ava"))
    reply = await runtime.ask("player:ava", Report((1.0, 2.0, 3.0)))
    assert reply["ok"], reply
    assert len(runtime.database.journaled("player:ava")) == committed
    await eventually(lambda: len(runtime.database.journaled("player:ava")) == committed + 1)


async def test_what_sleeps_wakes_as_it_was(runtime: Runtime) -> None:
    for n in range(5):
        await runtime.ask("npc:mara", Give(f"coin {n}", 10 * n))
    host = runtime.host("host:0")
    before = encode_state(host.activations["npc:mara"].state)
    assert await runtime.fleet.host("host:0").passivate() >= 1
    assert "npc:mara" not in host.activations
    await runtime.view("npc:mara")
    assert encode_state(host.activations["npc:mara"].state) == before
    assert host.activations["npc:mara"].snapshot_seq == 6


async def test_a_forgotten_player_is_nobody_until_they_come_back_as_somebody_new(runtime: Runtime) -> None:
    join = Join("Ava Cruz", "main", "ava@example.org")
    await runtime.ask("player:ava", join, by="server:main")
    forgot = await runtime.ask("player:ava", ForgetPlayer("player:ava", (), "player:forgotten-1", ()), by="world")
    assert forgot["reply"] == {"ceased": True}
    assert (await runtime.view("player:ava"))["error"]["code"] == "unknown_actor"
    await eventually(lambda: not runtime.host("host:0").flusher.owes("player:ava"))
    assert await runtime.fleet.host("host:0").passivate() >= 1
    assert "player:ava" not in runtime.database.snapshots
    assert (await runtime.view("player:ava"))["error"]["code"] == "unknown_actor"

    again = await runtime.ask("player:ava", Join("Ava Stone", "main"), by="server:main")
    assert again["reply"]["new"] is True
    del runtime.database.turns["player:ava"][:2]  # as an erasure leaves the journal
    await eventually(lambda: not runtime.host("host:0").flusher.owes("player:ava"))
    await runtime.restart()
    seen = await runtime.view("player:ava")
    assert (seen["seq"], seen["reply"]["username"], seen["reply"]["email"]) == (3, "Ava Stone", None)


async def test_a_player_who_is_forgotten_while_they_wake_is_not_woken_twice(runtime: Runtime) -> None:
    await runtime.ask("player:ava", Join("Ava Cruz", "main"), by="server:main")
    await eventually(lambda: not runtime.host("host:0").flusher.owes("player:ava"))
    await runtime.fleet.host("host:0").passivate()
    forget = wrap(new_command_id(), "player:ava", "world", ForgetPlayer("player:ava", (), "player:forgotten-1", ()))
    join = wrap(new_command_id(), "player:ava", "server:main", Join("Ava Stone", "main"))
    forgot, again = await runtime.ask_all([forget, join])
    assert forgot["reply"] == {"ceased": True}
    assert (again["seq"], again["reply"]["new"]) == (3, True)
    assert len(runtime.database.journaled("player:ava")) == 3


async def test_the_flushed_tables_catch_up_with_what_a_dead_host_left_undone(runtime: Runtime) -> None:
    await runtime.ask("npc:mara", Give("watch", 10))
    runtime.flush.states.clear()
    await runtime.restart()
    await eventually(lambda: "npc:mara" in runtime.flush.states)


async def test_a_drained_host_has_flushed_snapshot_and_given_back_everything(runtime: Runtime) -> None:
    await runtime.ask("npc:mara", Give("watch", 10))
    host = runtime.host("host:0")
    state = host.activations["npc:mara"].state
    await runtime.fleet.host("host:0").drain()
    assert runtime.flush.states["npc:mara"] == encode_state(state)
    assert runtime.database.snapshots["npc:mara"][0] == 2
    assert host.identity.epoch in runtime.database.dead
    assert not host.activations


async def test_a_mistake_in_one_rule_is_an_error_for_that_command_alone(runtime: Runtime) -> None:
    await runtime.ask("npc:mara", Talk("Hello"))
    activation = runtime.host("host:0").activations["npc:mara"]

    def broken(state: object, command: object, turn: object) -> object:
        raise ZeroDivisionError

    activation.kind = dataclasses.replace(KINDS["npc"], decide=broken)
    bad = wrap(new_command_id(), "npc:mara", "player:ava", Talk("Hi"))
    good = wrap(new_command_id(), "npc:otis", "server:ls", Spawn("Otis", "barber", "docks", None, TRAITS, "gruff"))
    first, second = await runtime.ask_all([bad, good])
    assert first["error"]["code"] == "internal"
    assert second["ok"]


async def test_an_actor_whose_store_is_broken_stays_asleep_and_harms_nobody(runtime: Runtime) -> None:
    await runtime.ask("npc:mara", Talk("Hello"))
    await runtime.ask("npc:otis", Spawn("Otis", "barber", "docks", None, TRAITS, "gruff"), by="server:ls")
    await runtime.fleet.host("host:0").passivate()
    seq, _ = runtime.database.snapshots["npc:mara"]
    runtime.database.snapshots["npc:mara"] = (seq, b"\x93\x01broken")
    epoch = runtime.host("host:0").identity.epoch
    broken, well = await runtime.ask_all(
        [
            wrap(new_command_id(), "npc:mara", "player:ava", Talk("Hi")),
            wrap(new_command_id(), "npc:otis", "player:ava", Talk("Hi")),
        ]
    )
    assert broken["error"]["code"] == "unreadable"
    assert not broken["error"]["retryable"]
    assert well["ok"]
    assert runtime.host("host:0").identity.epoch == epoch


async def test_an_idle_host_says_that_the_tables_lack_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.ask("npc:mara", Talk("Hello"))
    await eventually(lambda: not runtime.host("host:0").activations.dirty)
    said: list[tuple[int, float]] = []
    told = asyncio.Event()

    async def flush(epoch: int, changes: object, through_s: float, held: object) -> int:
        assert not changes
        said.append((epoch, through_s))
        if len(said) == 2:
            told.set()
        return 0

    monkeypatch.setattr(runtime.flush, "flush", flush)
    monkeypatch.setattr(flusher, "IDLE_S", 0.03)
    await asyncio.wait_for(told.wait(), 5)
    assert said[0][0] == runtime.host("host:0").identity.epoch
    assert said[1][1] >= said[0][1] + 0.03


async def test_a_late_retry_hears_at_once_when_the_incarnation_ends(runtime: Runtime) -> None:
    old = wrap(new_command_id(), "npc:mara", "player:ava", Give("watch", 1))
    await runtime.ask_all([old])
    await runtime.restart()
    await runtime.view("npc:mara")
    runtime.journal.appends.append("lost")
    fresh = wrap(new_command_id(), "npc:mara", "player:ava", Give("ring", 1))
    with pytest.raises(GangGPTError) as ended:
        await asyncio.wait_for(runtime.ask_all([fresh, old]), FAST.delivery_s / 2)
    assert isinstance(ended.value, CommitUnknown)


async def test_a_host_that_is_cancelled_while_its_incarnation_ends_does_end(runtime: Runtime) -> None:
    """A task group that ends with an error of its own says nothing of a cancellation, before Python 3.13."""
    _, task = runtime.fleet._hosts["host:0"]

    async def lost(epoch: int, batch: Batch) -> Sequence[PushRow]:
        task.cancel()
        raise CommitUnknown("host:0", epoch, "lost on purpose")

    runtime.journal.append = lost  # type: ignore[method-assign]
    with pytest.raises(GangGPTError):
        await runtime.ask_all([wrap(new_command_id(), "npc:mara", "player:ava", Give("ring", 1))])
    done, _ = await asyncio.wait([task], timeout=5)
    assert done


async def test_every_number_of_a_host_that_metrics_show_is_in_its_stats(runtime: Runtime) -> None:
    process = {"cpu", "memory_bytes"}
    stats = runtime.host("host:0").stats()
    assert set(SHOWN) - process <= set(stats)
    assert stats["host"] == "host:0"
