"""Analyses a text by simple rules: its words, their stems and its tone.

Cheap, deterministic and deliberately shallow: its results choose words and move feelings by a few bounded points, never
anything of value. Only whole words count ("ambassador" is not "sad"), and negation does ("not bad" is good).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import Stemmer

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_NUMBER: Final = re.compile(r"\d+")
_NEGATION_REACH: Final = 3
VALENCE_MAX: Final = 3
NAME_LENGTH_MIN: Final = 4
"""The least letters of a name that is recognised although it is misspelt."""


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(text.split())


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


_KIND_WORDS: Final = word_set(
    """
    admire amazing appreciate awesome beautiful best blessed brave brilliant charming cool delicious
    fantastic friend friendly generous glad good grateful great happy helped hero honest honor honour incredible
    kind legend love loved lovely loyal lucky nice perfect pleasure pretty proud respect saved smart solid
    superb sweet thank thanks trust welcome wonderful wow
    """
)
_HARSH_WORDS: Final = word_set(
    """
    arrested attacked awful bad bastard beat bitch bleeding boring broke burned clown corpse coward crap crashed
    damn dead despise died dirty disgusting dumb explosion fat filthy fool fuck fucking garbage gunfire
    gunshots hate hated horrible hurt idiot ignorant insane insult jerk killed lame liar loser lousy moron
    murder pathetic pig punk rat robbed rude sad scum shit shot shut smell snitch stabbed stole
    stupid sucks terrible threat traitor trash ugly useless weak worse worst worthless wrecked
    """
)
_NEGATIONS: Final = word_set(
    """
    ain't aint aren't arent can't cannot cant didn't didnt doesn't doesnt don't dont hardly isn't isnt never no
    nobody none not nothing wasn't wasnt weren't without won't wont
    """
)
_STOP_WORDS: Final = word_set(
    """
    a about again ain't all am an and any anybody anyone anything are as at back be been but by came can could did do
    does don't ever for from get got had
    happen happened happening has have he heard her here him his how i i'm i've if in into is it it's its just
    know last like me mean my no not of off on or our out over please recall remember said say she so some something
    still than that that's the their them then there they think this those to too up us was we well were
    what what's when where which who will with would yes you you're your
    """
)
_IRREGULAR: Final = _pairs(
    """
    gave=give given=give stole=steal stolen=steal shot=shoot met=meet took=take taken=take brought=bring bought=buy
    sold=sell fought=fight ran=run saw=see seen=see drove=drive driven=drive lost=lose paid=pay broke=break went=go
    broken=break told=tell said=say men=man women=woman knives=knife spoke=speak spoken=speak threw=throw thrown=throw
    hid=hide hidden=hide knew=know known=know wrote=write written=write kept=keep left=leave held=hold led=lead
    sent=send slept=sleep spent=spend stood=stand taught=teach thought=think understood=understand wore=wear worn=wear
    won=win bit=bite bitten=bite blew=blow blown=blow built=build caught=catch chose=choose chosen=choose
    dug=dig drew=draw drawn=draw drank=drink drunk=drink fell=fall fallen=fall felt=feel fled=flee flew=fly
    forgot=forget forgotten=forget froze=freeze frozen=freeze grew=grow grown=grow hung=hang heard=hear laid=lay
    lent=lend lit=light made=make meant=mean rode=ride ridden=ride rang=ring rose=rise risen=rise sang=sing sank=sink
    swore=swear sworn=swear swam=swim stuck=stick struck=strike tore=tear torn=tear woke=wake woken=wake wives=wife
    children=child people=person feet=foot teeth=tooth thieves=thief bled=bleed burnt=burn crept=creep dealt=deal
    swept=sweep wound=wind
    """
)
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{2,}")
"""Runs of a script that is written without spaces between words."""
_snowball: Final = Stemmer.Stemmer("english")


def words_of(text: str) -> list[str]:
    """The words of a text in order, lower case."""
    return _WORD.findall(text.replace("\u2019", "'").lower())


def common_words() -> frozenset[str]:
    """Every word that some rule here knows, in small letters."""
    lists = (_KIND_WORDS, _HARSH_WORDS, _NEGATIONS, _STOP_WORDS, _DETERMINERS, _UNCOUNTED)
    return frozenset().union(*lists, _IRREGULAR.keys(), _IRREGULAR.values())


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """The stem of a word in lower case: rob, robs, robbed and robbing meet, and so do take and took.

    Snowball's English stemmer (Porter 2) behind a list of irregular forms. A word of another language comes back
    whole or with an ending less, the same each time, so that it is still found in the form it was written in.
    """
    found: str = _snowball.stemWord(_IRREGULAR.get(word, word).removesuffix("'s"))
    return found


_STROKES: Final = str.maketrans("łŁøØđĐðÐı", "lLoOdDdDi")
"""Letters whose mark is a part of them for Unicode."""


def folded(text: str) -> str:
    """A text without the marks on its letters: José and Jose are one, and so are Łukasz and Lukasz."""
    if text.isascii():
        return text
    bare = "".join(mark for mark in unicodedata.normalize("NFKD", text) if unicodedata.category(mark) != "Mn")
    return unicodedata.normalize("NFC", bare).translate(_STROKES)


def terms(text: str) -> tuple[str, ...]:
    """The stems of a text's content words, each once, in the order in which they come.

    What is written without spaces becomes overlapping pairs of letters (東京駅 → 東京, 京駅).
    """
    return terms_and_names(text)[0]


def terms_and_names(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``terms``, and those of them that may be names: of NAME_LENGTH_MIN letters and more, and written large."""
    found: dict[str, None] = {}
    names: dict[str, None] = {}
    for written in _WORD.findall(folded(text).replace("\u2019", "'")):
        stems, is_name = _stems_of(written)
        for term in stems:
            found[term] = None
        if is_name:
            names[stems[0]] = None
    return tuple(found), tuple(names)


def is_pair(term: str) -> bool:
    """Whether a term is a pair of letters of a script that is written without spaces."""
    return len(term) == 2 and not term.isascii() and _UNSPACED.fullmatch(term) is not None


@lru_cache(maxsize=16384)
def _stems_of(written: str) -> tuple[tuple[str, ...], bool]:
    """What one word of a text adds to its terms, and whether it may be a name. Kept, because texts share their words,
    and minds that are indexed anew have few others."""
    word = written.lower()
    if word in _STOP_WORDS:
        return (), False
    if not word.isascii() and (runs := _UNSPACED.findall(word)):
        return tuple(run[at : at + 2] for run in runs for at in range(len(run) - 1)), False
    term = stem(word)
    return (term,), written != word and len(term) >= NAME_LENGTH_MIN and written[0].isupper()


@lru_cache(maxsize=4096)
def tokens(text: str) -> frozenset[str]:
    """``terms`` as a set. Kept for the most recent texts, because the same ones are asked for again."""
    return frozenset(terms(text))


def numbers(text: str) -> list[str]:
    """The numbers in a text, in order."""
    return _NUMBER.findall(text)


def is_negated(text: str) -> bool:
    """Whether a text denies something."""
    return not _NEGATIONS.isdisjoint(words_of(text))


def valence(text: str) -> int:
    """How kind (to +3) or harsh (to −3) a text sounds. A negation up to three words before turns a word round."""
    words = words_of(text)
    if _KIND_WORDS.isdisjoint(words) and _HARSH_WORDS.isdisjoint(words):
        return 0
    score = 0
    for place, word in enumerate(words):
        sign = (word in _KIND_WORDS) - (word in _HARSH_WORDS)
        if sign:
            negated = not _NEGATIONS.isdisjoint(words[max(0, place - _NEGATION_REACH) : place])
            score += -sign if negated else sign
    return max(-VALENCE_MAX, min(VALENCE_MAX, score))


_DETERMINERS: Final = word_set(
    """
    a an another any both each five four her his its many my nine no one our seven several six some ten the their
    these this those three two your
    """
)
_UNCOUNTED: Final = word_set(
    """
    advice ammo ammunition beer bread cash clothing coffee food fuel gasoline gold information jewellery jewelry
    medicine money rum silver soup tea tequila water whiskey whisky wine
    """
)


def with_article(thing: str) -> str:
    """A thing with its article: silver watch → a silver watch, cash → some cash, two beers → two beers."""
    words = words_of(thing)
    if not words or words[0] in _DETERMINERS or words[0][0].isdigit() or thing[0] == "$":
        return thing
    if words[-1] in _UNCOUNTED or (words[-1].endswith("s") and not words[-1].endswith(("ss", "us", "is"))):
        return f"some {thing}"
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {thing}"


def clipped(text: str, length_max: int) -> str:
    """A text cut at a word's end to at most ``length_max`` characters, with an ellipsis where it was cut."""
    if len(text) <= length_max:
        return text
    head = text[: length_max - 1]
    cut = head.rfind(" ")
    return (head[:cut] if cut > length_max // 2 else head).rstrip(" ,;:-") + "…"
