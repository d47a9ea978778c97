"""The texts of the scripted mind: what people say by act and tone, in six languages, and how each voice says it.

They stand in ``texts/<language>/*.txt``, and voices in ``texts/en/voices/<style>.txt``, so that a community can add to
them. A file has parts, ``[lines]``, ``[hails]``, ``[reasons]``, ``[more]``, ``[memories]``, ``[words]``; in the first
two a row is ``act tone: alternative | alternative | …``, in the others ``key: alternative | …``. Tones are warm, even
and cold; ``any`` stands for all three.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

TONES: Final = ("warm", "even", "cold")
ENGLISH: Final = "en"
PLAIN: Final = "plain"
_TONED: Final = ("lines", "hails")
_SAMPLES_MAX: Final = 5

Toned = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Key → tone → alternatives."""


class Tongue(NamedTuple):
    """The texts of one language. ``hails``: how an act begins that no voice opens; ``words``: how facts are said that
    stand as a word of their own."""

    lines: Toned
    hails: Toned
    reasons: Mapping[str, tuple[str, ...]]
    more: Mapping[str, tuple[str, ...]]
    memories: Mapping[str, tuple[str, ...]]
    words: Mapping[str, str]


def table(rows: Iterable[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read rows with tones: key → tone → alternatives."""
    read: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in rows:
        head, _, tail = row.partition(": ")
        key, tone = head.split()
        alternatives = _alternatives(tail)
        for each in TONES if tone == "any" else (tone,):
            known = read.setdefault(key, {})
            known[each] = (*known.get(each, ()), *alternatives)
    return read


def _alternatives(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(" | "))


def _rows_of(text: str) -> list[str]:
    return [row.strip() for row in text.splitlines() if row.strip() and not row.startswith("#")]


@lru_cache(maxsize=8)
def tongue(language: str) -> Tongue:
    """The texts of a language. Raises KeyError for one that has none (``LANGUAGES``)."""
    if language not in languages():
        raise KeyError(language)
    folder = files(__package__).joinpath("texts", language)
    parts: dict[str, list[str]] = {}
    for file in sorted((one for one in folder.iterdir() if one.name.endswith(".txt")), key=lambda one: one.name):
        part = "lines"
        for row in _rows_of(file.read_text(encoding="utf-8")):
            if row.startswith("[") and row.endswith("]"):
                part = row[1:-1]
            else:
                parts.setdefault(part, []).append(row)
    plain = {part: _plain(rows) for part, rows in parts.items() if part not in _TONED}
    return Tongue(
        lines=table(parts.get("lines", ())),
        hails=table(parts.get("hails", ())),
        reasons=plain.get("reasons", {}),
        more=plain.get("more", {}),
        memories=plain.get("memories", {}),
        words={key: options[0] for key, options in plain.get("words", {}).items()},
    )


def _plain(rows: Iterable[str]) -> dict[str, tuple[str, ...]]:
    pairs = (row.partition(": ") for row in rows)
    return {key: _alternatives(text) for key, _, text in pairs}


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """The languages there are texts in."""
    folder = files(__package__).joinpath("texts")
    return tuple(sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("_")))


def _voices() -> dict[str, Toned]:
    folder = files(__package__).joinpath("texts", ENGLISH, "voices")
    return {
        one.name.removesuffix(".txt"): table(_rows_of(one.read_text(encoding="utf-8")))
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.name.endswith(".txt")
    }


VOICES: Final[Mapping[str, Toned]] = _voices()
"""By style. The keys ``you``, ``open`` and ``tail`` are parts of a sentence; any other key is an act."""

_ALIKE: Final[Mapping[str, str]] = {
    "old-timer": "oldtimer old elder wise nostalgic",
    "polite": "formal elegant refined",
    "flirty": "smooth charming flirty-but-clean",
    "gruff": "rough blunt terse",
    "deadpan": "cold dry sarcastic",
    "nervous": "anxious jittery paranoid",
    "official": "bureaucratic military cop",
    "cheerful": "happy bubbly warm",
    "street": "slang hood gangster",
}
ALIASES: Final[Mapping[str, str]] = {alias: style for style, words in _ALIKE.items() for alias in words.split()}
"""Other names of styles."""


def sample_lines(style: str) -> tuple[str, ...]:
    """Some lines as people of a style say them, without what is filled in; the same each time."""
    voice = VOICES.get(ALIASES.get(style, style), VOICES[PLAIN])
    found = [voice["open"]["even"][0]]
    for act in ("answer", "how_are_you", "bye", "insulted", "no_memory"):
        lines = (voice.get(act) or {}).get("even", ())
        found += [line for line in lines if "{" not in line][:1]
    return tuple(found[:_SAMPLES_MAX])
