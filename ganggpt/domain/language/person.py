"""Turns a sentence from one person into another: what a sheet says of somebody into their own words, and what a player
says of themselves into how it is said back to them. English, by lists of words.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ganggpt.domain.language.words import word_set

_WORD: Final = re.compile(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)?|[^A-Za-z]+")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+")
_MINE: Final = {
    "his": "my", "her": "my", "hers": "mine", "him": "me", "he": "I", "she": "I", "himself": "myself",
    "herself": "myself", "he's": "I'm", "she's": "I'm",
}  # fmt: skip
_OF_I: Final = {"is": "am", "has": "have", "does": "do", "was": "was", "goes": "go", "isn't": "am not",
    "doesn't": "don't", "hasn't": "haven't"}  # fmt: skip
_IRREGULAR: Final = {"is": "am", "has": "have", "does": "do", "goes": "go", "says": "say", "lives": "live"}
_NO_VERBS: Final = word_set(
    """
    always was perhaps its less this us yes thus plus bus gas news
    """
)
_ADVERBS: Final = word_set("now still never always once also only then since still quietly")
_PAST_OR_BASE: Final = re.compile(r"(?:ss|us|is)$")


@lru_cache(maxsize=1024)
def in_first_person(text: str) -> str:
    """A text about somebody that begins each sentence with a verb ("Ran numbers …. Knows what …"), as they say it
    themselves: "I ran numbers …. I know what …"."""
    return " ".join(_own_sentence(sentence) for sentence in _SENTENCE.split(text.strip()) if sentence)


def _own_sentence(sentence: str) -> str:
    words = _WORD.findall(sentence)
    lead: list[str] = []
    while words and (words[0].lower() in _ADVERBS or not words[0][0].isalpha()) and len(lead) < 4:
        lead.append(words.pop(0))
    if not words:
        return sentence
    first = words[0]
    begins = "".join(lead)
    verb = _present(first.lower())
    rest = _own_words(words[1:])
    if begins:
        return f"{begins}I {verb}{rest}" if begins[0].isupper() else f"I {begins}{verb}{rest}"
    return f"I {verb}{rest}"


def own_words(text: str) -> str:
    """A phrase about somebody in their own words: "to keep his mother from finding out" with "my"."""
    return _own_words(_WORD.findall(text))


def _own_words(words: list[str]) -> str:
    said: list[str] = []
    after_i = False
    for at, word in enumerate(words):
        low = word.lower().replace("\u2019", "'")
        if low == "her" and _is_object(words, at):
            said.append("me")
        elif low in _MINE:
            said.append(_MINE[low])
            after_i = _MINE[low] == "I"
        elif after_i and word[0].isalpha():
            said.append(_OF_I.get(low, _present(low) if low not in _ADVERBS else low))
            after_i = low in _ADVERBS
        elif low == "and" or not word[0].isalpha():
            said.append(word)
        else:
            said.append(word)
            after_i = False
    return "".join(said)


def _is_object(words: list[str], at: int) -> bool:
    """Whether "her" stands for the person and not for what is theirs: nothing follows that could be theirs."""
    after = "".join(words[at + 1 : at + 3]).strip().lower()
    return not after or not after[0].isalpha() or after in _AFTER_OBJECT


_AFTER_OBJECT: Final = word_set(
    "at in to and or by with from on when if again back off out down up for as than but because that who while after"
)


def _present(word: str) -> str:
    """The form of a verb that goes with I: knows → know, ran → ran."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NO_VERBS or not word.endswith("s") or _PAST_OR_BASE.search(word):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1]


_TURNED: Final = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "am": "are", "i'm": "you're",
    "i've": "you've", "i'll": "you'll", "i'd": "you'd", "im": "you're", "ive": "you've", "we": "you", "us": "you",
    "our": "your", "ours": "yours", "we're": "you're", "we've": "you've", "we'll": "you'll", "you": "me",
    "your": "my", "yours": "mine", "yourself": "myself", "was": "were", "id": "you'd", "ill": "you'll",
}  # fmt: skip
_SUBJECTS: Final = word_set("i i'm i've i'll i'd im ive we we're we've we'll my our")
_AFTER_ME: Final = {"are": "am", "were": "was", "aren't": "am not", "can": "can"}
_LEADS: Final = word_set(
    """
    well so and but hey listen look yo ok okay oh man bro dude honestly actually just yeah yes anyway you know see
    """
)
_MIRRORED_WORDS_MAX: Final = 12


@lru_cache(maxsize=1024)
def said_back(sentence: str) -> str | None:
    """What somebody says of themselves, as it is said back to them: "I lost my job" → "you lost your job". None where
    a sentence is not about its speaker, too long, or a question."""
    if "?" in sentence or len(_SENTENCE.split(sentence.strip())) > 1 or "\n" in sentence:
        return None
    words = re.findall(
        r"[A-Za-z']+|[,;:]|\$?[\d.,]*\d|[^\sA-Za-z',;:]+", sentence.replace("\u2019", "'").strip().rstrip(".!… ")
    )
    while words and (words[0].lower() in _LEADS or words[0] in ",;:"):
        words.pop(0)
    if not 2 < len(words) <= _MIRRORED_WORDS_MAX or words[0].lower() not in _SUBJECTS:
        return None
    turned: list[str] = []
    for word in words:
        low = word.lower()
        before = turned[-1].lower() if turned else ""
        if low == "was":
            turned.append("were" if before == "you" else "was")
        elif low in _TURNED:
            turned.append(_TURNED[low] if not (low == "you" and before in ("", "and", "but", "that")) else "I")
        elif low in _AFTER_ME and before == "i":
            turned.append(_AFTER_ME[low])
        else:
            turned.append(word)
    text = ""
    for word in turned:
        text += word if word in ",;:" or not text else f" {word}"
    return text
