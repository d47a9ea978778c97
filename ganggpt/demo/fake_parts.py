"""A fake language model that answers every kind of request of the program, as well as a few lines of code can.

It answers in the shape that is asked for, only from what the prompt says. So a world that runs with it shows that the
prompts hold what a talk, a mission, a move or a summary needs. Its answers show nothing about real models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from math import sqrt
from typing import Any, Final

from ganggpt.domain.language.words import terms
from ganggpt.testing.fake_model import actor_of_prompts, pleasantry

_NOTE: Final = re.compile(r"^note: \"(.*)\"$", re.MULTILINE)
SIDES: Final = 256


def every_part(body: Mapping[str, Any]) -> str:
    """The answer to a request, by the name of the shape it asks for."""
    told = body["messages"][-1]["content"]
    match shape_name(body):
        case "MissionProposal":
            return json.dumps(a_mission(json.loads(told)))
        case "MoveChoice":
            return json.dumps(a_move(json.loads(told)))
        case "Condensed":
            return json.dumps(a_summary(told))
        case "":
            return pleasantry(body)
        case _:
            return actor_of_prompts(body)


def shape_name(body: Mapping[str, Any]) -> str:
    """The name of the JSON schema a request asks for; empty for plain text."""
    wanted = body.get("response_format") or {}
    return str((wanted.get("json_schema") or {}).get("name", ""))


def a_mission(outline: Mapping[str, Any]) -> dict[str, Any]:
    """A proposed mission: a message to somebody nearby and their answer, within the bounds of the prompt."""
    giver, bounds = outline["giver"], outline["reward"] or {"least": 0, "most": 0}
    met = [(who, place["id"]) for place in outline["places"] for who in place["people"] if who != giver["id"]]
    home = next((place["id"] for place in outline["places"] if giver["id"] in place["people"]), None)
    steps = [{"verb": "talk_to", "target": who, "district": where} for who, where in met[:3]]
    steps.append({"verb": "talk_to", "target": giver["id"], "district": home})
    return {
        "title": "Word of Mouth",
        "description": f"{giver['name']} wants a few people to hear something, and to know what they said.",
        "objectives": [{**step, "count": 1, "within_minutes": None} for step in steps],
        "difficulty": outline["difficulty"]["best"],
        "minutes": 60,
        "reward": (bounds["least"] + bounds["most"]) // 2,
        "impact": [],
        "frictions": [],
    }


def a_move(outlook: Mapping[str, Any]) -> dict[str, Any]:
    """The least valuable move besides resting, which the rules would hardly choose."""
    moves = [move for move in outlook["moves"] if move["move"] != "rest"] or outlook["moves"]
    return {"move": moves[-1]["no"], "words": "Nobody saw this coming, and nobody will say so."}


def a_summary(told: str) -> dict[str, Any]:
    """The summary of the prompt, with one sentence more."""
    note = _NOTE.search(told)
    text = "we talked" if note is None else json.loads(f'"{note[1]}"')
    return {"summary": f"{text}. I shall keep that in mind."}


def vector_of(text: str) -> list[float]:
    """A vector of hashed words: texts with the same stems are near. It knows no synonyms, so it shows that vectors are
    used and not how well a real model finds."""
    sides = [0.0] * SIDES
    for term in terms(text):
        mark = int.from_bytes(blake2b(term.encode(), digest_size=4).digest())
        sides[mark % SIDES] += 1.0 if mark & 1 << 20 else -1.0
    if not any(sides):
        sides[0] = 1.0
    length = sqrt(sum(side * side for side in sides))
    return [side / length for side in sides]
