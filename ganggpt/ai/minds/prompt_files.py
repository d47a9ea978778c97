"""Prompt files: our own words in prompts. One file for each prompt; ``$name`` is a placeholder.

The files are in ``ai/minds/prompts``; those in the folder ``GANGGPT_PROMPTS`` replace the ones of the same name. All
are read and checked at the start, so that an unknown or missing placeholder or an empty file is an error then and not
in a talk.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from ganggpt.errors import ConfigInvalid, ConfigRejected

SHIPPED: Final = Path(__file__).with_name("prompts")
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "soften": frozenset(),
    "unsaid": frozenset(),
    "repair": frozenset({"problem"}),
    "dialogue": frozenset(),
    "mission": frozenset(),
    "politics": frozenset(),
    "summary": frozenset(),
    "talk": frozenset({"mark", "speaker"}),
    "stage": frozenset(),
    "answer": frozenset(),
    "world": frozenset({"title", "sides", "places"}),
    "persona": frozenset(
        {"who", "role", "home", "faction", "traits", "style", "backstory", "likes", "aims", "missions", "examples"}
    ),
    "situation": frozenset({"mark", "whose", "mood", "standing", "actions", "decided", "caution"}),
    "caution": frozenset(),
    "teen": frozenset(),
    "mature": frozenset(),
}
"""Every prompt and its placeholders."""
_BYTES_MAX: Final = 16_384


class Prompts:
    """All prompts of one program. Picklable."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def text(self, name: str, **fields: str) -> str:
        """A prompt with its placeholders replaced. What replaces them is never read as a placeholder."""
        return Template(self._texts[name]).substitute(fields)


def read_prompts(folder: Path | None = None) -> Prompts:
    """The shipped prompts, replaced by those of a folder. Raises ConfigRejected with every mistake."""
    texts: dict[str, str] = {}
    problems: list[ConfigInvalid] = []
    if folder is not None:
        problems += _strangers(folder)
    for name, fields in FIELDS.items():
        own = None if folder is None else folder / f"{name}.md"
        path = own if own is not None and own.is_file() else SHIPPED / f"{name}.md"
        try:
            raw = path.read_bytes()
            texts[name] = raw.decode().strip()
        except (OSError, UnicodeDecodeError) as unread:
            problems.append(ConfigInvalid(f"prompt {path}", f"it cannot be read: {unread}", "Save it as UTF-8 text."))
            continue
        problem = _broken(texts[name], len(raw), fields)
        if problem is not None:
            problems.append(ConfigInvalid(f"prompt {path}", problem, _FIX))
    if problems:
        raise ConfigRejected(tuple(problems))
    return Prompts(texts)


_FIX: Final = "Correct it, or delete it to use the shipped one; a dollar sign is written $$."


def _broken(text: str, size: int, fields: frozenset[str]) -> str | None:
    template = Template(text)
    if not text:
        return "it is empty"
    if size > _BYTES_MAX:
        return f"it has {size} bytes, {_BYTES_MAX} are allowed"
    if not template.is_valid():
        return "it has a $ that starts no placeholder"
    found = frozenset(template.get_identifiers())
    if unknown := found - fields:
        return f"nobody fills ${', $'.join(sorted(unknown))} in"
    if missing := fields - found:
        return f"${', $'.join(sorted(missing))} is missing in it"
    return None


def _strangers(folder: Path) -> list[ConfigInvalid]:
    if not folder.is_dir():
        return [ConfigInvalid("GANGGPT_PROMPTS", f"{folder} is no folder", "Name a folder with prompt files.")]
    known = ", ".join(f"{name}.md" for name in FIELDS)
    return [
        ConfigInvalid(f"prompt {path}", "there is no prompt of that name", f"There are: {known}.")
        for path in sorted(folder.glob("*.md"))
        if path.stem not in FIELDS
    ]
