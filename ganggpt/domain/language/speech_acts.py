"""What a line does: greet, ask for a person, threaten, tell … in eleven languages (Searle's speech acts).

A linear model over the words of a sentence, their pairs and their runs of letters. It was trained by
``tools/train_speech_acts.py`` on the lines of ``tests/data/speech_acts`` and is shipped as ``speech_acts.npz``: a row
of small whole numbers for each feature (features share the rows by their hash), a column for each act. It is exact
arithmetic of whole numbers up to the last step, so every machine hears the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, get_args
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ganggpt.domain.language.linear_model import LinearModel, made_of, shipped
from ganggpt.domain.language.words import folded, word_set

SpeechAct = Literal[
    "greet", "farewell", "thanks", "apology", "praise", "flirt", "insult", "threat", "robbery",
    "ask_work", "offer", "ask_price", "ask_place", "ask_way", "ask_time", "ask_weather", "ask_person", "ask_faction",
    "ask_self", "ask_mood", "ask_opinion", "ask_trust", "ask_memory", "ask_said", "ask_news", "ask_other",
    "demand", "report_crime", "good_news", "bad_news", "order", "confide", "correct", "deny", "promise", "tell",
    "small_talk", "accept", "decline", "nonsense", "out_of_world",
]  # fmt: skip
ACTS: Final[tuple[SpeechAct, ...]] = get_args(SpeechAct)
QUESTIONS: Final = frozenset(act for act in ACTS if act.startswith("ask_"))
_ASKS: Final = np.array([act in QUESTIONS for act in ACTS])
HOSTILE: Final[frozenset[SpeechAct]] = frozenset({"threat", "robbery"})
_HOSTILE: Final = np.array([act in HOSTILE for act in ACTS])
COURTESIES: Final[frozenset[SpeechAct]] = frozenset({"greet", "farewell", "thanks"})

SENTENCES_MAX: Final = 12
"""So many sentences of a line are heard one by one; the rest counts as one more."""
SURE: Final = 0.6
"""Confidence from which a sentence beside the others counts."""
MENACE_SURE: Final = 0.6
"""Confidence from which a line is a threat or a robbery: a false one harms an innocent player."""
_HALF_A_MENACE: Final = 0.5
"""The most that is certain of one that the last column does not confirm."""
ROWS: Final = 1 << 17
"""Rows of the model."""
_CACHED: Final = 2048
_WORDS_CACHED: Final = 16_384
COURTESY_WORDS_MAX: Final = 4
TONES: Final[Mapping[SpeechAct, float]] = {
    "threat": -6.0, "robbery": -6.0, "insult": -2.0, "praise": 2.0, "thanks": 1.0, "apology": 1.0, "flirt": 0.5,
}  # fmt: skip
"""How much an act moves the feelings of who hears it, for the better or the worse."""
TONE_SURE: Final = 0.4
"""Confidence from which an act moves feelings."""
_TOKEN: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[?!]|…|[\U0001F300-\U0001FAFF]")
_ALIKE_MARKS: Final = str.maketrans({"\u2019": "'", "？": "?", "！": "!", "؟": "?", "¿": None, "¡": None})


_ASKING: Final = word_set(
    """
    who what where which whose whom why how who's what's where's how's whos whats wheres wer was wo wann warum
    wieso weshalb wie welche welcher welches welchen welchem wohin woher worauf womit wobei wovor wofur worum
    woran worin wovon wogegen wodurch wozu wem wen wessen quien quienes cual cuales donde cuanto cuanta
    cuantos cuantas quem onde qual quais quanto quanta quantos quantas cade aonde qui quel quelle quels
    quelles combien comment pourquoi кто где почему зачем какои какая какое какие какую какого какому каким
    какими каких чеи чья чье чьи сколько куда откуда кого кому кем чему chi dove quale quali quanti quante
    perche kto gdzie dlaczego ktory ktora ktore ile kim kto remind recuerdame recordame lembra rappelle
    erinnere erinner напомни напомните kim nerede nereye neden hangi kac من أين متى كيف لماذا كم هل
    """
)
"""Words that ask where a sentence begins with them, as ``tokens_of`` writes them."""
_MAY_ASK: Final = word_set(
    """
    when que como cuando porque quando o quoi quand ou que что когда как чего чем che come kiedy jak co ne ما
    """
)
"""Words that ask at the beginning of a sentence with a question mark, and join sentences elsewhere."""
_AUXILIARIES: Final = word_set(
    """
    is are am was were do does did will would can could should has have had
    """
)
"""Verbs that make a question of "when" and "what" before them."""
_UNSPACED_ASKING: Final = frozenset("谁什哪吗几怎呢")
"""Signs that ask wherever they stand."""
_LEADS: Final = word_set(
    """
    hey yo so and but ok okay well now from for with in at on of to by about und aber also na sag mal hor an
    auf mit bei fur von zu aus nach unter uber hey y oye a de en con por para desde hasta e ei cara do da no
    na em com pra pelo pela et dis hein au aux dans avec pour sur chez sous depuis и а ну слушаи на в с к о об
    из у по от для за над под
    """
)
"""Words that may stand before the word that asks."""
_NO_QUESTIONS: Final[frozenset[SpeechAct]] = frozenset(
    (
        *("tell", "insult", "praise", "bad_news", "good_news", "report_crime", "confide", "deny", "promise", "correct"),
        *("small_talk", "nonsense", "accept", "decline", "thanks", "apology"),
    )
)
"""What a line that has the form of a question is not; it may still demand, order or offer something."""
_ASKING_WITHIN: Final = 3
"""Among so many words at the beginning of a sentence they ask."""
_PLAIN_SURE: Final = 0.7
"""Confidence from which a sentence asks that does not look like a question."""
_GUESSED: Final = 0.25
"""Confidence under which a sentence of STATEMENT_WORDS and more that asks nothing is taken for a plain statement."""
_STATEMENT_WORDS: Final = 5
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_SENTENCE: Final = re.compile(r"[^.!?…。！？؟\n]+[.!?…。！？؟]*")
_RUN_LENGTHS: Final = (3, 4, 5)


class HeardAct(NamedTuple):
    """An act and how sure it is, 0..1."""

    act: SpeechAct
    confidence: float


class HeardLine(NamedTuple):
    """What a line does: ``main`` is what has to be answered, ``acts`` everything it does, in order; ``sentences``: each
    with its act."""

    text: str
    main: HeardAct
    acts: tuple[HeardAct, ...]
    sentences: tuple[tuple[str, HeardAct], ...]

    @property
    def is_menace(self) -> bool:
        """Whether it threatens the listener or robs them."""
        return any(heard.act in HOSTILE and heard.confidence >= MENACE_SURE for heard in self.acts)

    @property
    def looks_asking(self) -> bool:
        """Whether it has the form of a question, whatever it does: "Where's my cash?" demands, and asks."""
        return looks_asking(tokens_of(self.text))

    @property
    def is_courtesy(self) -> bool:
        """Whether it is only a greeting, a goodbye or thanks, with nothing beside it."""
        return len(tokens_of(self.text)) <= COURTESY_WORDS_MAX and all(one.act in COURTESIES for one in self.acts)

    @property
    def tone(self) -> float:
        """How it moves the feelings of the listener; what it says about others moves nothing."""
        felt = [
            TONES.get(one.act, 0.0)
            for one in self.acts
            if one.confidence >= TONE_SURE and (one.act not in HOSTILE or self.is_menace)
        ]
        return min(felt, default=0.0) or max(felt, default=0.0)

    def does(self, *acts: SpeechAct) -> bool:
        """Whether it does one of these."""
        return any(heard.act in acts for heard in self.acts)


def looks_asking(words: Sequence[str]) -> bool:
    """Whether a text (as ``tokens_of`` writes it) has the form of a question: a question mark at its end, or a word
    that asks at its beginning."""
    return "?" in words[-2:] or _has_asking_word(words) or not _UNSPACED_ASKING.isdisjoint(words)


def _has_asking_word(words: Sequence[str]) -> bool:
    if words[:1] and words[0] in _MAY_ASK and not _AUXILIARIES.isdisjoint(words[1:2]):
        return True
    for word in words[:_ASKING_WITHIN]:
        if word in _ASKING:
            return True
        if word not in _LEADS:
            return False
    return False


@lru_cache(maxsize=_CACHED)
def hear(text: str) -> HeardLine:
    """What a line does.

    A question is answered before anything else, then what is more than a courtesy: "Hi. I need help." is no greeting.
    """
    whole = _classified(text)
    sentences = tuple(sentences_of(text))
    if len(sentences) < 2:
        return HeardLine(text, whole, (whole,), ((text.strip(), whole),))
    parts = tuple((sentence, _classified(sentence)) for sentence in sentences)
    sure = {heard.act: heard for _, heard in reversed(parts) if heard.confidence >= SURE}
    asked = [heard for act, heard in sure.items() if act in QUESTIONS]
    beyond = [heard for act, heard in sure.items() if act not in COURTESIES]
    main = whole
    if asked and whole.act not in QUESTIONS and whole.act not in HOSTILE:
        main = max(asked, key=lambda heard: heard.confidence)
    elif beyond and whole.act in COURTESIES:
        main = max(beyond, key=lambda heard: heard.confidence)
    ordered = {heard.act: heard for _, heard in parts if heard.act in sure}
    return HeardLine(
        text,
        main,
        tuple({main.act: main, **{act: one for act, one in ordered.items() if act != main.act}}.values()),
        parts,
    )


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of a line, at most SENTENCES_MAX and the rest."""
    start = 0
    for count, found in enumerate(_SENTENCE.finditer(text), 1):
        if count > SENTENCES_MAX:
            yield text[start:].strip()
            return
        start = found.end()
        if sentence := found[0].strip():
            yield sentence


def features(words: Sequence[str]) -> set[int]:
    """The rows of the model that a text (as ``tokens_of`` writes it) adds up: words, pairs and triples of them, runs of
    letters, length."""
    found = {f"#{min(len(words), 4) if len(words) < 5 else min(4 + len(words) // 4, 9)}"}
    line = ("^", *words, "$")
    if "?" in words:
        found.add("?!")
    for one, two, three in zip(line, line[1:], line[2:], strict=False):
        found.update((f"{one} {two}", f"{one} {two} {three}", f"{one} * {three}"))
    found.add(f"{line[-2]} $")
    rows = {crc32(feature.encode()) % ROWS for feature in found}
    return rows.union(*map(_rows_of, words))


@lru_cache(maxsize=_WORDS_CACHED)
def _rows_of(word: str) -> tuple[int, ...]:
    """The rows of a word and its runs of letters."""
    marked = f"<{word}>"
    runs = {marked[at : at + length] for length in _RUN_LENGTHS for at in range(len(marked) - length + 1)}
    return tuple({crc32(run.encode()) % ROWS for run in (marked, *runs)})


@lru_cache(maxsize=_CACHED)
def tokens_of(text: str) -> tuple[str, ...]:
    """Words and marks in small letters without accents; a number is 0, and each sign of a script without spaces a word
    of its own."""
    found: list[str] = []
    for word in _TOKEN.findall(folded(text.translate(_ALIKE_MARKS).casefold())):
        if word[0].isdigit():
            found.append("0")
        elif not word.isascii() and _UNSPACED.search(word):
            found.extend(word)
        else:
            found.append(word)
    return tuple(found)


def use(parts: Mapping[str, Any] | None) -> None:
    """Hear with this model from now on; None: the shipped one."""
    global _model  # noqa: PLW0603 - one model a process
    _model = None if parts is None else made_of(parts)
    hear.cache_clear()


_model: LinearModel | None = None


def _shipped() -> LinearModel:
    global _model  # noqa: PLW0603 - read when the first line is heard
    if _model is None:
        _model = shipped("speech_acts.npz")
    return _model


def _classified(text: str) -> HeardAct:
    """Softmax over the sums of the rows, divided by the root of their number (texts of unit length): a threat or a
    robbery where the last column says that it is one, among questions where the form asks, among all else where it does
    not and the model is not sure."""
    model = _model or _shipped()
    words = tokens_of(text)
    rows = list(features(words))
    sums = model.rows[rows].sum(axis=0, dtype=np.int32)
    scores = sums * (model.scale / len(rows) ** 0.5) + model.bias
    menace, shares = float(scores[-1]), np.exp(scores[:-1] - scores[:-1].max())
    shares /= shares.sum()
    if menace > 0:
        return HeardAct(_best_of(shares, _HOSTILE).act, min(1.0, MENACE_SURE + menace / 10))
    best = int(shares.argmax())
    asks = ACTS[best] in QUESTIONS
    has_mark = "?" in words[-2:]
    has_word = _has_asking_word(words) or (has_mark and not _MAY_ASK.isdisjoint(words[:_ASKING_WITHIN]))
    if ACTS[best] in _NO_QUESTIONS and has_mark and has_word:
        return _best_of(shares, _ASKS)
    if asks and not looks_asking(words) and shares[best] < _PLAIN_SURE:
        return _best_of(shares, ~_ASKS)
    if shares[best] < _GUESSED and len(words) >= _STATEMENT_WORDS and not has_mark:
        return HeardAct("tell", float(shares[best]))
    sure = float(shares[best])
    return HeardAct(ACTS[best], min(sure, _HALF_A_MENACE) if _HOSTILE[best] else sure)


def _best_of(shares: NDArray[np.float64], among: NDArray[np.bool_]) -> HeardAct:
    """The best act of some; the share of all of them is what is certain."""
    some = np.where(among, shares, 0.0)
    best = int(some.argmax())
    return HeardAct(ACTS[best], float(some[best] / max(some.sum(), 1e-9)) * 0.9)
