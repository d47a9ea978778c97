"""What a line does: greet, ask for a person, threaten, tell … in eleven languages (Searle's speech acts).

A linear model over the words of a sentence, their pairs and their runs of letters. It was trained by
``tools/train_speech_acts.py`` on the lines of ``tests/data/speech_acts`` and is shipped as ``speech_acts.npz``: a row
of small whole numbers for each feature (features share the rows by their hash), a column for each act. It is exact
arithmetic of whole numbers up to the last step, so every machine hears the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple, get_args
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ganggpt.domain.language.words import folded

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
COURTESIES: Final[frozenset[SpeechAct]] = frozenset({"greet", "farewell", "thanks"})
HOSTILE: Final[frozenset[SpeechAct]] = frozenset({"threat", "robbery"})

SENTENCES_MAX: Final = 12
"""So many sentences of a line are heard one by one; the rest counts as one more."""
SURE: Final = 0.6
"""Confidence from which a sentence beside the others counts."""
MENACE_SURE: Final = 0.6
"""Confidence from which a line is a threat or a robbery: a false one harms an innocent player."""
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
_ASKING: Final = frozenset(
    (
        *(
            "who",
            "what",
            "where",
            "when",
            "why",
            "how",
            "which",
            "whose",
            "whom",
            "what's",
            "who's",
            "where's",
            "whats",
        ),
        *("wer", "was", "wo", "wann", "warum", "wieso", "wie", "welche", "welcher", "welches", "welchen", "welchem"),
        *("wohin", "woher", "worauf", "womit", "wobei", "wovor", "wofur", "worum", "wem", "wen", "wessen"),
        *("quien", "quienes", "que", "donde", "cuando", "como", "cual", "cuales", "cuanto", "cuanta", "cuantos"),
        *("quem", "onde", "quando", "qual", "quais", "quanto", "quantos", "quantas", "cade", "aonde", "porque"),
        *("qui", "quoi", "ou", "quand", "pourquoi", "comment", "quel", "quelle", "quels", "quelles", "combien"),
        *("кто", "что", "где", "когда", "почему", "зачем", "как", "какои", "какая", "какое", "какие", "какую", "чеи"),
        *("чья", "сколько", "куда", "откуда", "кого", "кому", "кем", "чего", "чем", "чему", "напомни"),
    )
)
"""Words that ask, as ``tokens_of`` writes them."""
_NO_QUESTIONS: Final[frozenset[SpeechAct]] = frozenset(
    (
        *("tell", "insult", "praise", "bad_news", "good_news", "report_crime", "confide", "deny", "promise", "correct"),
        *("small_talk", "nonsense", "accept", "decline", "thanks", "apology"),
    )
)
"""What a line that has the form of a question is not; it may still demand, order or offer something."""
_ASKING_WITHIN: Final = 3
"""Among so many words at the beginning of a sentence they ask."""
_PLAIN_SURE: Final = 0.5
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
        """Whether it surely threatens the listener or robs them."""
        return sum(heard.confidence for heard in self.acts if heard.act in HOSTILE) >= MENACE_SURE

    @property
    def looks_asking(self) -> bool:
        """Whether it has the form of a question, whatever it does: "Where's my cash?" demands, and asks."""
        words = tokens_of(self.text)
        return "?" in words[-2:] or not _ASKING.isdisjoint(words[:_ASKING_WITHIN])

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


def features(text: str) -> set[int]:
    """The rows of the model that a text adds up: words, pairs and triples of them, runs of letters, length."""
    words = tokens_of(text)
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


def tokens_of(text: str) -> list[str]:
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
    return found


class _Model(NamedTuple):
    rows: NDArray[np.int8]
    bias: NDArray[np.float64]
    scale: float


def use(parts: Mapping[str, Any] | None) -> None:
    """Hear with this model from now on; None: the shipped one."""
    global _model  # noqa: PLW0603 - one model a process
    _model = None if parts is None else _made_of(parts)
    hear.cache_clear()


_model: _Model | None = None


def _made_of(parts: Mapping[str, Any]) -> _Model:
    return _Model(np.ascontiguousarray(parts["rows"]), parts["bias"].astype(np.float64), float(parts["scale"]))


def _shipped() -> _Model:
    global _model  # noqa: PLW0603 - read when the first line is heard
    if _model is None:
        with files("ganggpt.domain.language").joinpath("speech_acts.npz").open("rb") as file, np.load(file) as data:
            _model = _made_of(data)
    return _model


def _classified(text: str) -> HeardAct:
    """Softmax over the sums of the rows, divided by the root of their number (texts of unit length); among questions
    where the form asks, among all else where it does not and the model is not sure."""
    model = _model or _shipped()
    rows = list(features(text))
    sums = model.rows[rows].sum(axis=0, dtype=np.int32)
    scores = sums * (model.scale / len(rows) ** 0.5) + model.bias
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    asks, words = ACTS[best] in QUESTIONS, tokens_of(text)
    has_mark = "?" in words[-2:]
    if ACTS[best] in _NO_QUESTIONS and has_mark and not _ASKING.isdisjoint(words[:_ASKING_WITHIN]):
        return _best_of(shares, _ASKS)
    if asks and not has_mark and shares[best] < _PLAIN_SURE and _ASKING.isdisjoint(words[:_ASKING_WITHIN]):
        return _best_of(shares, ~_ASKS)
    if shares[best] < _GUESSED and len(words) >= _STATEMENT_WORDS and not has_mark:
        return HeardAct("tell", float(shares[best]))
    return HeardAct(ACTS[best], float(shares[best]))


def _best_of(shares: NDArray[np.float64], among: NDArray[np.bool_]) -> HeardAct:
    """The best act of some; the share of all of them is what is certain."""
    some = np.where(among, shares, 0.0)
    best = int(some.argmax())
    return HeardAct(ACTS[best], float(some[best] / max(some.sum(), 1e-9)) * 0.9)
