"""What a line states about whom, as far as one fact replaces another: home, name, gang, job, debt, whereabouts …

A reading by lists of words in the languages of ``stop_words``, which sees the frame of a statement ("my sister" ·
lives · "in Paleto") and no meaning. It decides which of two memories is the later one, and helps a question to its
answer; nothing of value depends on it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from ganggpt.domain.language.corrections import ends, restates
from ganggpt.domain.language.speech_acts import sentences_of
from ganggpt.domain.language.stop_words import content, language_of, topics_of
from ganggpt.domain.language.thesaurus import groups_of, is_inflected
from ganggpt.domain.language.words import folded, stem, word_set, words_of

Attribute = Literal["home", "name", "gang", "job", "debt", "holder", "place", "state"]

ME: Final = "*me"
"""Stands for the speaker among the words of a subject."""
YOU: Final = "*you"


_CUES: Final[tuple[tuple[Attribute, str], ...]] = (
    (
        "debt",
        """owe owes owed debt schulde schuldest schuldet schulden debo debes debe deuda devo deve deves divida dois doit
        dette dettes должен должна должны долг""",
    ),
    (
        "name",
        """name named called heisse heisst heissen llamo llama llamas nombre chamo chama nome appelle appelles nom
        prenom зовут имя кличка nickname spitzname apodo apelido surnom""",
    ),
    (
        "home",
        """live lives lived living reside resides stay stays staying moved move moving home address wohne wohnst wohnt
        wohnen lebe lebt gezogen umgezogen ziehe zieht zuhause vivo vive vives viven vivimos mude mudo mudado mudamos
        mudaron casa domicilio moro mora moras moram mudei mudou morando habite habites habitent demenage emmenage loge
        vis vit vivent живу живешь живет живут переехал переехала переехали""",
    ),
    (
        "gang",
        """gang crew joined join member bande mitglied gehore gehort beigetreten angeschlossen banda pandilla uni
        miembro gangue faccao entrei membro rejoint rejoins membre банда банде вступил вступила группировке
        группировка""",
    ),
    (
        "job",
        """work works working worked job jobs hired employed profession arbeite arbeitest arbeitet arbeiten jobbe beruf
        trabajo trabaja trabajas trabajando curro curra chamba empleo trabalho trabalha trabalhando emprego trampo
        trampa travaille travailles bosse bosses boulot metier embauche работаю работаешь работает работа работу
        устроился устроилась""",
    ),
    (
        "holder",
        """has have got keeps holds hold owns own drives drive hat habe besitzt besitze fahre fahrt behalt tiene tengo
        lleva conduzco conduce manejo maneja tem tenho dirige dirijo guarda ai a possede conduis conduit roule имеет
        есть держит хранит езжу ездит""",
    ),
)
_IS: Final = word_set(
    """
    is are was 's isn't lies sits stands ist sind liegt steht war befindet es son esta estan estaba queda e sao ta
    estao fica est sont c'est etait se лежит стоит спрятан спрятана спрятано находится это будет opens closes starts
    leaves beginnt kostet cuesta costs empieza custa comeca coute commence начинается стоит
    """
)
_PLACES: Final = word_set(
    """
    in under at behind on by near inside beneath above beside where wo unter hinter im am bei auf neben donde en debajo
    detras bajo junto sobre dentro onde em no na nos nas embaixo debaixo atras perto ou dans sous derriere au aux chez
    sur pres где в во под за на у около возле
    """
)
_ME: Final = word_set(
    """
    i i'm i've i'd i'll we we're my ich wir mich vivo mude mudo llamo debo tengo trabajo curro uni conduzco manejo
    nosotros eu moro mudei chamo devo tenho trabalho entrei nos dirijo je j'ai j' me moi nous on я мы меня мне нас мое
    живу работаю переехал переехала устроился устроилась вступил вступила езжу yo mi meu mon mein meine
    """
)
_I: Final = _ME - word_set("my mi meu mon mein meine мое nos")
"""Words that are the speaker, and not only theirs."""
_YOU: Final = word_set("you you're your u du dich dir ihr tu te vos usted voce vc toi vous ты вы тебя вас тебе")
_PAID: Final = re.compile(
    r"\b(paid|settled|squared|even now|are even|cleared|bezahlt|beglichen|zuruckgezahlt|quitt|pague|pagado|saldado|"
    r"saldada|paguei|quitei|quitada|paye|rembourse|regle|вернул|вернула|отдал|отдала|расплатился|расплатилась|квиты)\b"
)
_PAST: Final = re.compile(
    r"\b(used to|before|formerly|back then|previous(ly)?|at first|originally|fruher|vorher|damals|zuerst|antes|"
    r"anteriormente|antigamente|primeiro|avant|autrefois|auparavant|раньше|прежде|до этого|сначала)\b"
)


class Fact(NamedTuple):
    """The frame of a statement or question: what it is about (stems of the subject; ME for the speaker), which
    attribute, and the stems of everything else it says."""

    attribute: Attribute
    subject: frozenset[str]
    value: frozenset[str]


@lru_cache(maxsize=4096)
def facts_of(text: str) -> tuple[Fact, ...]:
    """The frames of the sentences of a text, of those that have one that is known here."""
    language = language_of([text])
    found = (_fact_in(words_of(folded(sentence)), language) for sentence in sentences_of(text))
    return tuple(fact for fact in found if fact is not None)


def _fact_in(words: list[str], language: str) -> Fact | None:
    for attribute, cues in _CUE_SETS:
        at = next((place for place, word in enumerate(words) if word in cues), None)
        if at is not None:
            found = _framed(attribute, words, at, language)
            if found is not None:
                return found
    at = next((place for place, word in enumerate(words) if word in _IS or word.endswith("'s")), None)
    if at is None:
        return None
    after = words[at + 1 : at + 4]
    is_placed = not _PLACES.isdisjoint(after) or not _PLACES.isdisjoint(words[:at])
    return _framed("place" if is_placed else "state", words, at, language)


def _framed(attribute: Attribute, words: list[str], at: int, language: str) -> Fact | None:
    head, tail = words[:at], words[at + 1 :]
    before, after = content((*head, words[at].removesuffix("'s")), language), content(tail, language)
    before -= {stem(words[at])}
    if attribute == "holder":
        # What is held is the subject, and who holds it the value: a thing has one holder.
        return Fact(attribute, after, before | _persons(words)) if after else None
    is_mine = attribute != "name" and (
        not _I.isdisjoint(words[: at + 1]) or (attribute == "debt" and ME in _persons(words))
    )
    if before and not is_mine:
        return Fact(attribute, before, after)
    persons = _persons(words)
    if persons:
        return Fact(attribute, persons, before | after)
    return Fact(attribute, after, frozenset()) if after else None


def _persons(words: list[str]) -> frozenset[str]:
    if not _ME.isdisjoint(words):
        return frozenset((ME,))
    return frozenset((YOU,)) if not _YOU.isdisjoint(words) else frozenset()


def replaces(later: str, earlier: str) -> bool:
    """Whether what the same person said later takes the place of what they said earlier."""
    if ends(later, earlier) or restates(later, earlier):
        return True
    paid = is_paid(later)
    for old in facts_of(earlier):
        if paid and old.attribute == "debt" and not _owed_to(old).isdisjoint(_said_in(later)):
            return True
        if any(_replaces(new, old) for new in facts_of(later)):
            return True
    return False


def fits(asked: Fact, held: Fact) -> bool:
    """Whether a statement is about what a question asks for."""
    return asked.attribute == held.attribute and not asked.subject.isdisjoint(held.subject)


def is_paid(text: str) -> bool:
    """Whether a line says that a debt is paid."""
    return _PAID.search(folded(text.lower())) is not None


def _owed_to(debt: Fact) -> frozenset[str]:
    """The words by which a debt is known; YOU where it is one to the listener."""
    return (debt.subject | debt.value | {YOU}) - {ME}


def _said_in(text: str) -> frozenset[str]:
    spoken_to = not _YOU.isdisjoint(words_of(folded(text)))
    return topics_of(text) | (frozenset((YOU,)) if spoken_to else frozenset())


def _replaces(new: Fact, old: Fact) -> bool:
    if new.attribute != old.attribute or not new.value or new.value == old.value:
        return False
    if new.attribute in ("home", "name"):
        return new.subject == old.subject
    are_numbers = any(map(str.isdigit, new.value)) and any(map(str.isdigit, old.value))
    return new.attribute in ("debt", "state") and are_numbers and new.subject == old.subject


def shared(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the topics of the shorter text that the other has too: in the same form, in another one, or in a
    word of the same meaning."""
    common = sum(
        any(term == held or is_inflected(term, held) or _mean_the_same(term, held) for held in other) for term in one
    )
    return common / max(1, min(len(one), len(other)))


@lru_cache(maxsize=8192)
def _mean_the_same(one: str, other: str) -> bool:
    return not set(groups_of(one)).isdisjoint(groups_of(other))


def speaks_of_oneself(text: str) -> bool:
    """Whether a text speaks of its speaker."""
    return "我" in text or not _ME.isdisjoint(words_of(folded(text)))


def asks_for_past(text: str) -> bool:
    """Whether a question asks for what was before."""
    return _PAST.search(folded(text.lower())) is not None


_CUE_SETS: Final[tuple[tuple[Attribute, frozenset[str]], ...]] = tuple(
    (attribute, frozenset(cues.split())) for attribute, cues in _CUES
)
