"""The actors that an incarnation has in memory, and which of them still need a flush or a snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, ValuesView

from ganggpt.actors.host.activation import Activation


class Activations:
    """Owns the activations that turns run on, by actor.

    An activation is *dirty* while the user's tables do not show its last turn, and *ripe* when a snapshot is due.
    """

    __slots__ = ("_dirty", "_hot", "_of_kind", "_ripe")

    def __init__(self) -> None:
        self._hot: dict[str, Activation] = {}
        self._dirty: dict[str, Activation] = {}
        self._of_kind: Counter[str] = Counter()
        self._ripe: set[str] = set()

    def __contains__(self, actor: str) -> bool:
        return actor in self._hot

    def __getitem__(self, actor: str) -> Activation:
        return self._hot[actor]

    def __len__(self) -> int:
        return len(self._hot)

    def get(self, actor: str) -> Activation | None:
        """The activation of an actor, or None where it is asleep."""
        return self._hot.get(actor)

    def values(self) -> ValuesView[Activation]:
        """All activations."""
        return self._hot.values()

    def add(self, activation: Activation) -> None:
        """Wake an actor."""
        self._of_kind[activation.kind.name] += activation.actor not in self._hot
        self._hot[activation.actor] = activation

    def drop(self, actor: str) -> None:
        """Put an actor to sleep."""
        self._of_kind[self._hot.pop(actor).kind.name] -= 1

    def set_aside(self, where: Callable[[str, str], bool]) -> dict[str, Activation]:
        """Take out the activations for which ``where(actor, shard)`` is true. No turn runs on them meanwhile."""
        aside = {actor: a for actor, a in self._hot.items() if where(actor, a.shard)}
        for actor in aside:
            self.drop(actor)
        return aside

    def bring_back(self, aside: dict[str, Activation]) -> None:
        """Put activations back that were set aside; turns run on them again."""
        for activation in aside.values():
            self.add(activation)

    @property
    def of_kind(self) -> Mapping[str, int]:
        """How many of each kind are awake."""
        return self._of_kind

    @property
    def dirty(self) -> Collection[str]:
        """Actors whose last turn the user's tables do not show yet."""
        return self._dirty.keys()

    def mark_dirty(self, activation: Activation) -> None:
        """The user's tables do not show the last turn of this actor."""
        self._dirty[activation.actor] = activation

    def take_dirty(self, only: Iterable[Activation] | None = None) -> dict[str, Activation]:
        """Remove and return the dirty activations, or those among ``only``. The caller flushes them."""
        if only is None:
            dirty, self._dirty = self._dirty, {}
            return dirty
        return {a.actor: self._dirty.pop(a.actor) for a in only if a.actor in self._dirty}

    def put_back_dirty(self, dirty: dict[str, Activation]) -> None:
        """Mark activations as dirty again whose flush failed."""
        self._dirty = dirty | self._dirty

    def mark_ripe(self, actor: str) -> None:
        """A snapshot of this actor is due."""
        self._ripe.add(actor)

    def ripe(self) -> list[Activation]:
        """The awake actors for which a snapshot is due."""
        return [self._hot[actor] for actor in self._ripe if actor in self._hot]

    def clear_ripe(self) -> None:
        """Every snapshot that was due has been taken."""
        self._ripe.clear()
