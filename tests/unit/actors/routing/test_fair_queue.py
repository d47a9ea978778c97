"""The fair queue loses nothing, keeps the order of each flow, and lets nobody wait for another's backlog."""

from __future__ import annotations

from collections import Counter, defaultdict, deque

from hypothesis import given
from hypothesis import strategies as st

from ganggpt.actors.routing.fair_queue import FairQueue

FLOWS = st.tuples(st.sampled_from("abcd"), st.sampled_from(["npc:x", "npc:y", "npc:z"]))
STEPS = st.lists(st.one_of(FLOWS, st.none(), st.integers(2, 5)), max_size=200)
Item = tuple[str, str, int]


@given(STEPS)
def test_everything_put_is_taken_once_in_the_order_of_its_flow(steps: list[tuple[str, str] | int | None]) -> None:
    """A pair puts, None takes, a number removes every so-manieth."""
    queue: FairQueue[Item] = FairQueue()
    waiting: dict[tuple[str, str], deque[Item]] = defaultdict(deque)
    for n, step in enumerate(steps):
        if isinstance(step, tuple):
            item = (*step, n)
            queue.put(*step, item)
            waiting[step].append(item)
        elif step is None and queue:
            head = queue.head()
            taken = queue.take()
            assert taken is head
            assert waiting[taken[0], taken[1]].popleft() == taken
        elif step is not None:
            removed = queue.remove(lambda item, every=step: item[2] % every == 0)
            for flow, items in waiting.items():
                gone = [item for item in items if item[2] % step == 0]
                assert [item for item in removed if item[:2] == flow] == gone
                waiting[flow] = deque(item for item in items if item[2] % step)
        assert len(queue) == sum(map(len, waiting.values()))
        assert Counter(queue) == Counter(item for items in waiting.values() for item in items)
    rest = [queue.take() for _ in range(len(queue))]
    for flow, items in waiting.items():
        assert [item for item in rest if item[:2] == flow] == list(items)


@given(st.lists(FLOWS, max_size=100), FLOWS, st.integers(1, 5))
def test_nobody_waits_for_more_than_a_turn_of_each_other(
    before: list[tuple[str, str]], flow: tuple[str, str], place: int
) -> None:
    queue: FairQueue[Item] = FairQueue()
    for n, one in enumerate(before):
        queue.put(*one, (*one, n))
    ahead = before.count(flow)
    mine = [(*flow, 1000 + n) for n in range(place)]
    for item in mine:
        queue.put(*flow, item)
    sources = len({source for source, _ in [*before, flow]})
    actors = max(len({actor for source, actor in [*before, flow] if source == s}) for s in "abcd")
    taken = 0
    while queue.take() != mine[-1]:
        taken += 1
    assert taken <= (ahead + place) * actors * sources


def test_a_source_with_one_command_goes_before_the_second_of_a_greedy_one() -> None:
    queue: FairQueue[int] = FairQueue()
    for n in range(1000):
        queue.put("greedy", "npc:hot", n)
    queue.put("modest", "npc:mara", -1)
    assert [queue.take() for _ in range(3)] == [0, -1, 1]


def test_an_actor_with_one_command_goes_before_the_second_of_a_hot_one() -> None:
    queue: FairQueue[int] = FairQueue()
    for n in range(1000):
        queue.put("one", "npc:hot", n)
    queue.put("one", "npc:mara", -1)
    assert [queue.take() for _ in range(3)] == [0, -1, 1]
