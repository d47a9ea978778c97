"""Where things are: this district, the way to another one, how far, how safe, whose ground, what there is to see."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, stem, words_of
from ganggpt.domain.lore import PlaceLore
from ganggpt.domain.mind.background import bosses
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.trade import listed, seller_of
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, Sequel, informed
from ganggpt.domain.mission_design.roads import METRES_PER_S, distances_m
from ganggpt.domain.world import District, World, kept_by_world

_WINDS: Final = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
_WALK_M_PER_MIN: Final = 80.0
_LEGS_TOLD: Final = 4
_NOTHING: Final = PlaceLore(id="")


def here(c: TalkContext, _: AskedLine) -> Answer:
    """Where am I."""
    district = c.here
    if district is None:
        return informed("here_nowhere", "sheet: no district is known")
    about = _place(c, district).about
    facts = {"here": district.name, "about": about, "home": _home_name(c)}
    then = () if c.speaker.place == c.speaker.home or not _home_name(c) else (Sequel("home_elsewhere", facts),)
    line = "tell_here" if about and not c.is_said(about) else "tell_here_short"
    return informed(line, "district: name; place: about", facts, *then)


def _home_name(c: TalkContext) -> str:
    home = c.world.districts.get(c.speaker.home)
    return home.name if home is not None else ""


def _place(c: TalkContext, district: District) -> PlaceLore:
    return c.world.places.get(district.id, _NOTHING)


def where(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Where is that place."""
    target = c.place(asked) or _of_landmark(c, asked)
    if target is None:
        return None
    if c.here is not None and target.id == c.here.id:
        return informed("already_there", "district: the same", {"here": target.name})
    facts = {"where": target.name, **_lies(c, target), **_way(c, target)}
    return informed("tell_where", "districts: positions and neighbours; places: roads", facts)


def way(c: TalkContext, asked: AskedLine) -> Answer | None:
    """How do I get there."""
    target = c.place(asked) or _of_landmark(c, asked) or _of_seller(c, asked)
    if target is None:
        return None
    if c.here is not None and target.id == c.here.id:
        return informed("already_there", "district: the same", {"here": target.name})
    facts = {"where": target.name, **_lies(c, target), **_way(c, target)}
    return informed("tell_way", "districts: neighbours; places: roads", facts)


def distance(c: TalkContext, asked: AskedLine) -> Answer | None:
    """How far is it."""
    target = c.place(asked) or _of_landmark(c, asked)
    if target is None:
        return None
    if c.here is not None and target.id == c.here.id:
        if not any(one.what == "district" for one in asked.named):
            # "How long will it take?" asks for no way.
            return informed("takes_long", "no place is spoken of")
        return informed("already_there", "district: the same", {"here": target.name})
    return informed(
        "tell_distance", f"districts: neighbours up to {target.id}", {"where": target.name, **_lies(c, target)}
    )


def danger(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Is it safe there, why not."""
    target = c.place(asked) or c.here
    if target is None:
        return None
    knows = c.speaker.life.knows.get(target.id, "")
    dangers = _place(c, target).dangers
    text = c.fresh(dangers)
    owner = c.holder(target.id)
    facts = {"place": target.name, "text": text or "", "owner": owner.name if owner is not None else ""}
    if text is not None:
        return informed("tell_danger", f"place: dangers of {target.id}", facts)
    quarrel = _quarrel(c, target)
    if quarrel:
        return informed("tell_quarrel", "creeds: quarrels about it", {"text": quarrel})
    if knows and not c.is_said(knows):
        return informed("tell_place", "life: knows", {"place": target.name, "text": knows})
    return informed("danger_owner" if owner is not None else "danger_nobody", "factions: territories", facts)


def _quarrel(c: TalkContext, target: District) -> str:
    """Why the holder of a district has enemies next door."""
    owner = c.holder(target.id)
    creed = c.world.creeds.get(owner.id) if owner is not None else None
    if owner is None or creed is None:
        return ""
    for other, why in creed.quarrels.items():
        if other in c.world.factions and not c.is_said(f"{owner.name} against {c.world.factions[other].name}."):
            return f"{owner.name} against {c.world.factions[other].name}. {why}"
    return ""


def owner(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Whose turf is this."""
    target = c.place(asked) or c.here
    if target is None:
        return None
    held = c.holder(target.id)
    if held is None:
        return informed("no_owner", "factions: territories", {"place": target.name})
    facts = {"place": target.name, "owner": held.name, "boss": bosses(c.world).get(held.id, "")}
    line = "owner_us" if held.id == c.speaker.faction else "tell_owner"
    then = (Sequel("owner_boss", facts),) if facts["boss"] and facts["boss"] != c.speaker.name else ()
    return informed(line, "factions: territories", facts, *then)


def about(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What is it like there."""
    target = c.place(asked) or c.here
    if target is None:
        return None
    texts = [text for text in (c.speaker.life.knows.get(target.id, ""), _place(c, target).about) if text]
    opinion = c.speaker.life.opinions.get(f"district:{target.id}")
    texts += [opinion] if opinion else []
    text = next((one for one in texts if not c.is_said(one)), None)
    if text is None:
        return danger(c, asked) if texts else owner(c, asked)
    return informed("tell_place", f"life: knows; place: about {target.id}", {"place": target.name, "text": text})


def sights(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What is there to see or to do."""
    target = c.place(asked) or c.here
    if target is None:
        return None
    place = _place(c, target)
    if not place.landmarks:
        return about(c, asked)
    facts = {"place": target.name, "landmarks": listed(place.landmarks[:3]), "text": place.hours}
    then = (Sequel("and_more", {"text": place.hours}),) if place.hours and not c.is_said(place.hours) else ()
    return informed("tell_sights", "place: landmarks and hours", facts, *then)


def hours(c: TalkContext, asked: AskedLine) -> Answer | None:
    """When is it open, when is a good time."""
    target = c.place(asked) or c.here
    place = _place(c, target) if target is not None else _NOTHING
    if target is None or not place.hours:
        return None
    return informed("tell_hours", "place: hours", {"place": target.name, "text": place.hours})


def _lies(c: TalkContext, target: District) -> dict[str, str]:
    """In which direction a district lies and how far it is."""
    start = c.here
    if start is None:
        return {"direction": "", "distance": "", "minutes": "", "walk": ""}
    angle = math.atan2(target.y - start.y, target.x - start.x)
    metres = distances_m(c.world, start.id).get(target.id, math.dist((start.x, start.y), (target.x, target.y)))
    return {
        "direction": _WINDS[round(angle / (math.pi / 4)) % 8],
        "distance": f"{metres / 1000:.1f} km" if metres >= 1000 else f"{round(metres, -2):.0f} m",
        "minutes": str(max(2, round(metres / METRES_PER_S / 60))),
        "walk": str(max(1, round(metres / _WALK_M_PER_MIN))),
    }


def _way(c: TalkContext, target: District) -> dict[str, str]:
    """The legs of the way to a district: ``road>district|…``, as the wording reads it."""
    start = c.here
    if start is None:
        return {"way": ""}
    legs = route(c.world, start.id, target.id)
    told = legs if len(legs) <= _LEGS_TOLD else (*legs[: _LEGS_TOLD - 1], ("", target.id))
    return {"way": "|".join(f"{road}>{c.world.districts[id_].name}" for road, id_ in told)}


def route(world: World, start: str, end: str) -> tuple[tuple[str, str], ...]:
    """The way from one district to another along neighbours, the shortest: each leg a street ("" where it has no name)
    and the district it leads to. Empty where no way leads there."""
    found: tuple[tuple[str, str], ...] = _routes(world)(start, end)
    return found


@kept_by_world(4)
def _routes(world: World):  # type: ignore[no-untyped-def]
    @lru_cache(maxsize=4096)
    def found(start: str, end: str) -> tuple[tuple[str, str], ...]:
        to_end = distances_m(world, end)
        legs: list[tuple[str, str]] = []
        at = start
        while at != end and at in to_end and len(legs) < len(world.districts):
            here_ = world.districts[at]
            after = min(
                (other for other in here_.neighbours if other in to_end),
                key=lambda other: to_end[other] + _leg(world, at, other),
                default=None,
            )
            if after is None:
                return ()
            legs.append((road_between(world, at, after), after))
            at = after
        return tuple(legs)

    return found


def _leg(world: World, one: str, other: str) -> float:
    here_, there = world.districts[one], world.districts[other]
    return math.dist((here_.x, here_.y), (there.x, there.y)) * 1.3


def road_between(world: World, one: str, other: str) -> str:
    """The street between two neighbours, as one of them says it; "" where none does."""
    for start, end in ((one, other), (other, one)):
        place = world.places.get(start)
        if place is not None and end in place.roads:
            return place.roads[end]
    return ""


_NO_LANDMARK: Final = listed_words("no_landmark")


@kept_by_world(4)
def _landmarks(world: World) -> tuple[tuple[frozenset[str], str], ...]:
    """What landmarks and shops are called, by their telling words, with their district."""
    return tuple(
        (_telling(name), place.id)
        for place in world.places.values()
        if place.id in world.districts
        for name in place.landmarks
    )


def _telling(name: str) -> frozenset[str]:
    return frozenset(stem(folded(word)) for word in words_of(name) if word not in _NO_LANDMARK)


def _of_landmark(c: TalkContext, asked: AskedLine) -> District | None:
    """The district of a landmark that a sentence names by most of its words."""
    words = _telling(asked.text)
    named = [(len(words & mine) / len(mine), id_) for mine, id_ in _landmarks(c.world) if mine and words & mine]
    if not named:
        return None
    fit, id_ = max(named)
    return c.world.districts[id_] if fit >= 0.5 else None


def _of_seller(c: TalkContext, asked: AskedLine) -> District | None:
    wares = [one.id for one in asked.named if one.what == "ware"]
    found = seller_of(c, frozenset(map(stem, words_of(" ".join(wares))))) if wares else None
    if found is None:
        return None
    return next((one for one in c.world.districts.values() if one.name == found["where"]), None)
