"""A queue in which no source waits for the backlog of another.

Commands of one source to one actor leave in the order they came. Sources take turns, and inside a source its actors
take turns: deficit round robin in which every command costs one, because all turns of actors cost about the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Flow(Generic[T]):
    """The commands of one source to one actor, oldest first."""

    __slots__ = ("actor", "items")

    def __init__(self, actor: str, first: T) -> None:
        self.actor = actor
        self.items: deque[T] = deque((first,))


class _Source(Generic[T]):
    """The flows of one source, in the order of their next turns."""

    __slots__ = ("flows", "name", "turns")

    def __init__(self, name: str) -> None:
        self.name = name
        self.flows: dict[str, _Flow[T]] = {}
        self.turns: deque[_Flow[T]] = deque()


class FairQueue(Generic[T]):
    """Owns the commands that wait in a lane. Where ``s`` sources wait, with at most ``a`` actors each, the ``k``-th
    command of a source to an actor leaves after at most ``k * a * s`` others, however many commands those sources have.

    The queue has no bound of its own: the admission of the lane bounds it.
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Source[T]] = {}
        self._turns: deque[_Source[T]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """All waiting commands, flow by flow; this is not the order in which they leave."""
        for source in self._turns:
            for flow in source.turns:
                yield from flow.items

    def put(self, source: str, actor: str, item: T) -> None:
        """Add one command at the end of its flow."""
        self._size += 1
        queued = self._sources.get(source)
        if queued is None:
            queued = self._sources[source] = _Source(source)
            self._turns.append(queued)
        flow = queued.flows.get(actor)
        if flow is None:
            flow = queued.flows[actor] = _Flow(actor, item)
            queued.turns.append(flow)
        else:
            flow.items.append(item)

    def head(self) -> T:
        """The command that ``take`` will return. Raises IndexError where none waits."""
        return self._turns[0].turns[0].items[0]

    def take(self) -> T:
        """Remove and return the next command by turns. Raises IndexError where none waits."""
        source = self._turns.popleft()
        flow = source.turns.popleft()
        item = flow.items.popleft()
        self._size -= 1
        if flow.items:
            source.turns.append(flow)
        else:
            del source.flows[flow.actor]
        if source.turns:
            self._turns.append(source)
        else:
            del self._sources[source.name]
        return item

    def remove(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Remove and return all commands for which ``unwanted`` is true; the others keep their order and turn."""
        removed: list[T] = []
        for source in tuple(self._turns):
            for flow in tuple(source.turns):
                out = [item for item in flow.items if unwanted(item)]
                if not out:
                    continue
                removed += out
                flow.items = deque(item for item in flow.items if not unwanted(item))
                if not flow.items:
                    source.turns.remove(flow)
                    del source.flows[flow.actor]
            if not source.turns:
                self._turns.remove(source)
                del self._sources[source.name]
        self._size -= len(removed)
        return removed
