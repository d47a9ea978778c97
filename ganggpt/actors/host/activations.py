"""The actors in memory of an incarnation, and what is still to be done for them: flush, snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, ValuesView

from ganggpt.actors.host.activation import Activation


class Activations:
    """Owns the activations that turns may run on, by actor.

    *Dirty* is one whose last turn the user's tables do not show yet, *ripe* one that is due for a snapshot.
    """

    __slots__ = ("_dirty", "_hot", "_ripe")

    def __init__(self) -> None:
        self._hot: dict[str, Activation] = {}
        self._dirty: dict[str, Activation] = {}
        self._ripe: set[str] = set()

    def __contains__(self, actor: str) -> bool:
        return actor in self._hot

    def __getitem__(self, actor: str) -> Activation:
        return self._hot[actor]

    def __len__(self) -> int:
        return len(self._hot)

    def get(self, actor: str) -> Activation | None:
        """The activation of an actor that is awake."""
        return self._hot.get(actor)

    def values(self) -> ValuesView[Activation]:
        """All of them."""
        return self._hot.values()

    def add(self, activation: Activation) -> None:
        """The actor is awake."""
        self._hot[activation.actor] = activation

    def drop(self, actor: str) -> None:
        """The actor sleeps."""
        del self._hot[actor]

    def set_aside(self, stops: Callable[[str, str], bool]) -> dict[str, Activation]:
        """Take out those for whom ``stops(actor, shard)`` holds: no turn runs on them until they are brought back."""
        aside = {actor: a for actor, a in self._hot.items() if stops(actor, a.shard)}
        for actor in aside:
            del self._hot[actor]
        return aside

    def bring_back(self, aside: dict[str, Activation]) -> None:
        """Turns run on them again."""
        self._hot.update(aside)

    @property
    def dirty(self) -> Collection[str]:
        """Actors whose last turn the user's tables do not show yet."""
        return self._dirty.keys()

    def mark_dirty(self, activation: Activation) -> None:
        """The user's tables lack something of this actor."""
        self._dirty[activation.actor] = activation

    def take_dirty(self, only: Iterable[Activation] | None = None) -> dict[str, Activation]:
        """Take the dirty ones out of the list, or those of them that are given: the caller flushes them."""
        if only is None:
            dirty, self._dirty = self._dirty, {}
            return dirty
        return {a.actor: self._dirty.pop(a.actor) for a in only if a.actor in self._dirty}

    def put_back_dirty(self, dirty: dict[str, Activation]) -> None:
        """They could not be flushed."""
        self._dirty = dirty | self._dirty

    def mark_ripe(self, actor: str) -> None:
        """The actor is due for a snapshot."""
        self._ripe.add(actor)

    def ripe(self) -> list[Activation]:
        """Those that are awake and due for a snapshot."""
        return [self._hot[actor] for actor in self._ripe if actor in self._hot]

    def clear_ripe(self) -> None:
        """All that were due have their snapshot."""
        self._ripe.clear()
