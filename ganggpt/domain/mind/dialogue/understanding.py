"""What a line asks in the light of the talk: its sentences, their topics and what they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.language.questions import SURE, TOPICS, HeardTopic, Topic, topics_of_line
from ganggpt.domain.language.speech_acts import COURTESIES, HeardAct, SpeechAct, hear, looks_asking, tokens_of
from ganggpt.domain.language.spoken_of import Named, What, masked, names_of
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.mind.dialogue.pointing import is_pointing
from ganggpt.domain.mind.transcript import Exchange
from ganggpt.domain.world import World

ASKED_MAX: Final = 2
"""Sentences of one line that are answered."""
_SUPPORT: Final = 0.2
"""What it adds to a topic that the speech act of the line agrees, times how sure that is."""
_LEANS, _LEANS_FROM = 0.4, 0.05
"""What it adds that the talk is at a topic, if the line may be about it at all."""
_FELT: Final[Mapping[SpeechAct, Topic]] = {
    "flirt": "flirt",
    "farewell": "leave",
    "insult": "insult",
    "apology": "sorry",
    "thanks": "thanks",
    "praise": "praise",
}
"""What an act that is sure says of the topic."""
_VETOES, _VETOES_BELOW = 0.8, 0.9
_ELLIPSIS_WORDS_MAX: Final = 6
_LINKS: Final = listed_words("links")
_HE: Final = listed_words("he")
_WORK: Final = listed_words("work")
_SAY, _WHY, _OUTFIT, _YOU = map(listed_words, ("say", "why", "outfit", "you"))
_GRIEF, _CORRECTS = listed_words("grief"), listed_words("corrects")
_ME: Final = listed_words("me")
_FINDS: Final = listed_words("finds")
_TOPICS_OF_ACT: Final[Mapping[SpeechAct, frozenset[Topic]]] = {
    "ask_work": frozenset(
        ("work", "work_what", "work_where", "work_pay", "work_hard", "work_who", "work_when", "work_again")
    ),
    "ask_price": frozenset(("price", "haggle", "wares", "work_pay")),
    "ask_place": frozenset(("here", "place_where", "place_about", "shop", "person_where", "sights", "danger")),
    "ask_way": frozenset(("way", "distance", "place_where", "shop")),
    "ask_time": frozenset(("time", "hours")),
    "ask_weather": frozenset(("weather",)),
    "ask_person": frozenset(("who", "person_where", "opinion_person", "relation", "faction_boss", "self_boss")),
    "ask_faction": frozenset(
        ("faction", "faction_boss", "faction_rules", "faction_war", "faction_join", "self_crew", "owner",
         "opinion_faction", "politics")
    ),
    "ask_self": frozenset(
        ("self_name", "self_role", "self_past", "self_story", "self_home", "self_likes", "self_family", "self_friends",
         "self_crew", "self_boss", "self_aims", "self_secret", "self_day", "self_other")
    ),
    "ask_mood": frozenset(("self_feel", "self_why_mood")),
    "ask_opinion": frozenset(
        ("opinion_person", "opinion_faction", "opinion_police", "opinion_town", "opinion_other", "self_likes", "advice")
    ),
    "ask_trust": frozenset(("me_trust", "opinion_person")),
    "ask_memory": frozenset(("me_known", "me_did", "me_said", "me_promised", "talked_about", "work_again")),
    "ask_said": frozenset(("me_said", "me_promised", "talked_about", "again", "me_owe")),
    "ask_news": frozenset(("news", "source", "politics")),
    "greet": frozenset(("hello", "self_feel")),
    "farewell": frozenset(("leave",)),
    "thanks": frozenset(("thanks",)),
    "apology": frozenset(("sorry",)),
    "praise": frozenset(("praise", "flirt")),
    "flirt": frozenset(("flirt", "praise")),
    "insult": frozenset(("insult",)),
    "threat": frozenset(("threat", "threat_other")),
    "robbery": frozenset(("threat",)),
    "order": frozenset(("order",)),
    "demand": frozenset(("order", "me_owe")),
    "confide": frozenset(("confess",)),
    "report_crime": frozenset(("confess", "help", "tell")),
    "bad_news": frozenset(("complain", "tell")),
    "good_news": frozenset(("tell", "boast")),
    "offer": frozenset(("buy", "haggle", "tell")),
    "promise": frozenset(("plan", "tell", "agree")),
    "accept": frozenset(("agree", "buy")),
    "decline": frozenset(("refuse",)),
    "nonsense": frozenset(("nonsense", "silence")),
    "small_talk": frozenset(("tell", "weather", "complain")),
    "tell": frozenset(("tell", "plan", "boast", "complain", "confess")),
}  # fmt: skip
"""Which topics an act of the first model speaks for."""


_OF_THE_LAST: Final[frozenset[Topic]] = frozenset(("again", "really", "why"))
"""Questions about the last answer: "Really? Where is he, then?" asks for something else."""
_TWO_SURE: Final = 0.75
"""Confidence from which two questions of one line are both answered."""
_TAKES: Final = 0.4
"""Confidence from which a sentence takes on the job that is spoken of."""
_GRAVE: Final[frozenset[Topic]] = frozenset(("complain", "confess", "threat_other"))
"""What a sentence says that no other of the line outweighs."""
_COURTEOUS: Final[frozenset[Topic]] = frozenset(("hello", "leave", "thanks"))


_ASKING: Final = listed_words("asking")
_AUXILIARIES: Final = listed_words("auxiliaries")
_SUBJECTS: Final = listed_words("subjects")
_ASKS_SURE: Final = 0.8
"""Confidence in a topic of questions from which a sentence asks, whatever its form."""
_ASKS_NOTHING: Final[frozenset[Topic]] = frozenset(
    (
        *("order", "confess", "threat_other", "flirt", "boast", "complain", "plan", "agree", "refuse", "leave"),
        *("hello", "thanks", "sorry", "praise", "insult", "threat", "nonsense", "silence", "tell", "haggle", "buy"),
        "accuse",
    )
)
_QUESTIONS: Final[frozenset[Topic]] = frozenset(TOPICS) - _ASKS_NOTHING
"""Topics that a sentence asks for."""


class AskedLine(Struct, frozen=True, gc=False):
    """One sentence: its topic with how sure that is, what it names, and the speech act. ``is_left_open``: it takes its
    topic from the line before ("and Redd?"). ``around``: what the other sentences of the line name."""

    text: str
    topic: Topic
    confidence: float
    named: tuple[Named, ...]
    act: HeardAct
    is_question: bool
    is_left_open: bool = False
    around: tuple[Named, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether the topic can be relied on."""
        return self.confidence >= SURE


def asked_in(
    text: str, exchanges: Sequence[Exchange], world: World, leaning: frozenset[Topic] = frozenset()
) -> tuple[AskedLine, ...]:
    """What a line wants answered, at most ASKED_MAX things: its questions where it asks several, else the line as a
    whole where that is plain, else the sentence that says most; courtesies only where there is nothing else.
    ``leaning``: topics that the talk is at, a job or a sale, and that are likelier for it."""
    around = names_of(world).found(text)
    chosen = _chosen(text, world, leaning)
    return tuple(replace(_completed(one, exchanges, world), around=around) for one in chosen)


def _chosen(text: str, world: World, leaning: frozenset[Topic]) -> Sequence[AskedLine]:
    every = list(_sentences(text, world, leaning))
    if len(every) < 2:
        return every
    questions = [one for one in every if one.is_question and not _is_courtesy(one)]
    real = [one for one in questions if one.topic not in _OF_THE_LAST] or questions
    sure = {one.topic: one for one in real if one.confidence >= _TWO_SURE}
    if len(sure) > 1:
        return list(sure.values())[-ASKED_MAX:]
    leaving = [one for one in every if one.topic == "leave" and one.confidence >= _TWO_SURE]
    if leaving and not questions:
        return leaving[-1:]
    taken = [one for one in every if not one.is_question and _takes_job(one)] if "work_when" in leaning else []
    if taken and real:
        return [taken[0], real[-1]]
    whole = _asked(text, hear(text).main, world, leaning)
    is_of_all = whole.topic not in _COURTEOUS or not real
    if whole.is_sure and is_of_all and (whole.is_question or not questions) and not _outweighs(every, whole):
        return [whole]
    return real[-1:] or _said(every)


def _takes_job(one: AskedLine) -> bool:
    """Whether a sentence takes on the job that is spoken of: "I'm in", "I'll take it"."""
    return one.topic in ("agree", "buy") and one.confidence >= _TAKES


def _outweighs(every: Sequence[AskedLine], whole: AskedLine) -> bool:
    """Whether a sentence says something graver than the line as a whole was taken for: grief, a confession."""
    return whole.topic not in _GRAVE and any(one.topic in _GRAVE and one.confidence >= _TWO_SURE for one in every)


def _said(every: Sequence[AskedLine]) -> Sequence[AskedLine]:
    """Of sentences that ask nothing the one that counts: "Good evening, Don. It is an honour." is a greeting."""
    beyond = [one for one in every if not _is_courtesy(one)]
    if not any(one.is_sure for one in beyond):
        return [one for one in every if _is_courtesy(one)][:1] or beyond[-1:]
    return _weightiest(beyond)


def _is_courtesy(one: AskedLine) -> bool:
    return not one.is_question and (one.act.act in COURTESIES or (one.topic in _COURTEOUS and one.is_sure))


def _weightiest(sentences: Sequence[AskedLine]) -> Sequence[AskedLine]:
    """Of plain statements the one that is about most: something confessed or threatened before anything told."""
    plain = ("tell", "agree", "hello", "silence", "nonsense")
    grave = [one for one in sentences if one.topic in _GRAVE and one.confidence >= _TWO_SURE]
    telling = grave[:1] or [one for one in sentences if one.topic not in plain]
    return (telling or list(sentences))[-1:]


def _sentences(text: str, world: World, leaning: frozenset[Topic] = frozenset()) -> Iterator[AskedLine]:
    for sentence, act in hear(text).sentences:
        yield _asked(sentence, act, world, leaning)


_KIN, _CHARMS, _MENDS = map(listed_words, ("kin", "charms", "mends"))
_OWN_LIFE: Final[frozenset[Topic]] = frozenset(("self_role", "self_other", "self_past", "self_likes", "me_known"))
_AT_WORK: Final[Mapping[Topic, Topic]] = {"danger": "work_hard", "distance": "work_when", "price": "work_pay"}
"""What a question means while a job is spoken of."""
_TOLD: Final[frozenset[Topic]] = frozenset(("tell", "complain", "boast", "plan"))
_LOOSE: Final = _TOLD | {"agree", "refuse", "order", "really", "insult"}
"""What a line is taken for that haggles in the middle of a sale: "still too much", "make it cheaper"."""
_HAGGLES: Final = listed_words("haggles")
_CRIMES: Final = listed_words("crimes")
_WHY_FACTIONS: Final[frozenset[Topic]] = frozenset(("self_crew", "opinion_faction", "why"))
_BY_WORDS_SURE: Final = 0.6
"""Confidence in a topic that certain words tell."""
_BY_WORDS: Final[tuple[tuple[frozenset[Topic], frozenset[str], Topic], ...]] = (
    (frozenset(("self_likes",)), _HE, "opinion_person"),
    (frozenset(("confess", "tell", "boast", "plan", "agree", "order")), _GRIEF, "complain"),
    (frozenset(("wares",)), _WORK, "work"),
    (frozenset(("talked_about",)), _SAY, "again"),
    (_WHY_FACTIONS, _WHY, "faction_war"),
    (frozenset(("self_family",)), _OUTFIT, "faction"),
    (frozenset(("joke",)), frozenset(("your",)), "insult"),
    (frozenset(("faction", "faction_rules", "opinion_faction")), listed_words("against"), "faction_war"),
    (frozenset(("faction_war", "opinion_faction", "danger")), listed_words("fears"), "self_other"),
)
"""Topics that turn into another one where a sentence has one of these words."""


def _asked(sentence: str, act: HeardAct, world: World, leaning: frozenset[Topic]) -> AskedLine:
    names = names_of(world)
    found = names.found(sentence)
    likeliest = topics_of_line(masked(sentence, found))
    if not any(one.what in ("npc", "district", "faction") for one in found):
        found = (*found, *names.misspelt(sentence))
    topic = _vetoed(_supported(likeliest, act, leaning), act)
    if (
        "work_when" in leaning
        and not any(one.what == "district" for one in found)
        and not is_pointing(sentence, "district")
    ):
        topic = topic._replace(topic=_AT_WORK.get(topic.topic, topic.topic))
    if topic.topic in _COURTEOUS and "," in sentence:
        topic = _after_address(sentence) or topic
    is_loose = topic.topic in _LOOSE or topic.confidence < SURE
    if "haggle" in leaning and is_loose and not _HAGGLES.isdisjoint(map(folded, words_of(sentence))):
        topic = HeardTopic("haggle", max(topic.confidence, _ASKS_SURE))
    asks = _asks(sentence) or (topic.topic in _QUESTIONS and topic.confidence >= _ASKS_SURE)
    narrowed = _narrowed(topic.topic, sentence, found)
    confidence = topic.confidence if narrowed == topic.topic else max(topic.confidence, _BY_WORDS_SURE)
    return AskedLine(sentence, narrowed, confidence, found, act, asks)


def _after_address(sentence: str) -> HeardTopic | None:
    """What a sentence asks after "Hey," or "Thanks,"; None where nothing sure."""
    rest = sentence.partition(",")[2].strip()
    if len(words_of(rest)) < 2:
        return None
    found = topics_of_line(rest)[0]
    return found if found.confidence >= SURE and found.topic not in _COURTEOUS else None


def _asks(text: str) -> bool:
    """Whether a sentence has the form of a question, with or without its marks."""
    if looks_asking(tokens_of(text)):
        return True
    words = [word for word in (folded(one) for one in words_of(text)) if word not in _LINKS]
    if not words:
        return False
    return words[0] in _ASKING or (words[0] in _AUXILIARIES and len(words) > 1 and words[1] in _SUBJECTS)


def _narrowed(topic: Topic, text: str, found: Sequence[Named]) -> Topic:
    """The topic by the words of a sentence and whom it points at: "do you think I'm good" asks for the player, "do you
    like him" for him, "got anything? a job?" for work."""
    spoken = [folded(word) for word in words_of(text)]
    words, kinds = set(spoken), {one.what for one in found}
    turned = next((to for is_so, to in _TURNS if is_so(topic, words, kinds)), None)
    if turned is not None:
        return turned
    if topic == "silence" and len(spoken) > _SILENT_WORDS_MAX:
        return "tell"
    if topic in _TOLD and spoken[:1] in (["i"], ["we"]) and not _CRIMES.isdisjoint(spoken[:4]):
        return "confess"
    is_of_both = topic == "talked_about" and ("i" in words or words.isdisjoint(_YOU))
    if is_of_both or (topic in _WHY_FACTIONS and "faction" not in kinds):
        return topic
    return next((to for topics, listed, to in _BY_WORDS if topic in topics and not words.isdisjoint(listed)), topic)


def _wants_mending(topic: Topic, words: set[str], kinds: set[What]) -> bool:
    is_sale = topic in ("price", "haggle", "buy")
    return not is_sale and not _MENDS.isdisjoint(words) and kinds.isdisjoint(("npc", "ware"))


_SILENT_WORDS_MAX: Final = 3
_WEATHER_WORDS_MAX: Final = 8
_EATS: Final = frozenset(("eat", "drink", "menu"))
_BUSY: Final = frozenset(("slow", "busy", "quiet", "business"))
_OF_A_SALE: Final[frozenset[Topic]] = frozenset(("price", "haggle", "buy", "wares"))
_SELL: Final = frozenset(("sell", "pawn"))
_BOUGHT: Final = frozenset(("can", "did", "i", "where", "why", "could", "for", "left"))


def _wants_to_sell(topic: Topic, words: set[str]) -> bool:
    """Whether somebody wants to sell: "you buy watches?", "I want to sell my ring"."""
    is_asked = {"you", "buy"} <= words and words.isdisjoint(_BOUGHT)
    return is_asked or (topic in _TOLD and "my" in words and not words.isdisjoint(_SELL))


_Turns = Callable[[Topic, set[str], set[What]], bool]
_TURNS: Final[Sequence[tuple[_Turns, Topic]]] = (
    (lambda topic, words, _: topic == "person_where" and words.isdisjoint(_FINDS), "opinion_person"),
    (lambda topic, words, _: topic == "hello" and "how" in words, "self_feel"),
    (lambda topic, words, _: topic in ("hello", "leave") and not words.isdisjoint(_BUSY), "self_feel"),
    (lambda topic, words, kinds: topic == "opinion_person" and _is_of_me(words, kinds), "me_trust"),
    (lambda topic, words, _: topic in ("sights", "advice") and not words.isdisjoint(_EATS), "wares"),
    (lambda topic, words, _: topic == "weather" and len(words) > _WEATHER_WORDS_MAX, "tell"),
    (lambda topic, words, kinds: topic == "advice" and "npc" in kinds and "about" in words, "opinion_person"),
    (lambda topic, _, kinds: topic == "self_likes" and "npc" in kinds, "opinion_person"),
    (lambda topic, words, _: topic == "opinion_other" and not words.isdisjoint(_HE), "opinion_person"),
    (lambda topic, words, _: topic in ("haggle", "buy") and {"pay", "back"} <= words, "plan"),
    (lambda _, words, __: {"what", "you", "charge"} <= words, "price"),
    (lambda topic, words, _: topic not in _OF_A_SALE and _wants_to_sell(topic, words), "wares"),
    (lambda _, words, kinds: "your" in words and "npc" not in kinds and not _CHARMS.isdisjoint(words), "flirt"),
    (_wants_mending, "shop"),
    (lambda topic, words, _: topic in _OWN_LIFE and "your" in words and not _KIN.isdisjoint(words), "self_family"),
)
"""Topics that a sentence has where its words and what it names are so, whatever it was taken for."""


def _is_of_me(words: set[str], kinds: set[What]) -> bool:
    """Whether an opinion is asked for of the player themselves: "do you think I'm a good kid"."""
    return not words.isdisjoint(_ME) and words.isdisjoint(_HE) and "npc" not in kinds


def _supported(likeliest: tuple[HeardTopic, ...], act: HeardAct, leaning: frozenset[Topic]) -> HeardTopic:
    """The topic of the likeliest that the speech act of the sentence and the talk speak for."""
    speaks_for = _TOPICS_OF_ACT.get(act.act, frozenset())
    scored = [
        HeardTopic(
            one.topic,
            min(
                1.0,
                one.confidence
                + _SUPPORT * act.confidence * (one.topic in speaks_for)
                + _LEANS * (one.topic in leaning and one.confidence >= _LEANS_FROM),
            ),
        )
        for one in likeliest
    ]
    return max(scored, key=lambda one: one.confidence)


def _vetoed(topic: HeardTopic, act: HeardAct) -> HeardTopic:
    """The topic of a feeling or a farewell that the speech act is sure of, where the topic says something else."""
    felt = _FELT.get(act.act)
    is_other = felt is not None and topic.topic not in _TOPICS_OF_ACT[act.act] and topic.confidence < _VETOES_BELOW
    return HeardTopic(felt, act.confidence) if felt is not None and is_other and act.confidence >= _VETOES else topic


def _completed(one: AskedLine, exchanges: Sequence[Exchange], world: World) -> AskedLine:
    """A sentence that leaves out what was asked before, with that topic: "and Redd?", "what about the pier?"."""
    words = [folded(word) for word in words_of(one.text)]
    is_linked = bool(words) and words[0] in _LINKS
    is_correcting = len(words) > 2 and words[0] in ("no", "i") and not _CORRECTS.isdisjoint(words[:4])
    if not exchanges or not (is_linked or is_correcting) or len(words) > _ELLIPSIS_WORDS_MAX or not one.named:
        return one
    if one.is_sure and one.topic not in ("who", "tell", "place_about", "faction"):
        return one
    before = _topic_before(exchanges, world)
    if before is None:
        return one
    return AskedLine(one.text, before, 0.6, one.named, one.act, True, True)


def _topic_before(exchanges: Sequence[Exchange], world: World) -> Topic | None:
    """What was asked last."""
    for exchange in reversed(exchanges):
        for one in reversed(list(_sentences(exchange.heard, world))):
            if one.is_question and one.is_sure:
                return one.topic
    return None


def topics_before(exchanges: Sequence[Exchange], world: World) -> list[AskedLine]:
    """What each line of the talk so far was about, the last first; elliptic ones completed by the lines before them."""
    found = []
    for place in range(len(exchanges) - 1, -1, -1):
        asked = asked_in(exchanges[place].heard, exchanges[:place], world)
        found.append(asked[-1])
    return found


@lru_cache(maxsize=1024)
def normal(text: str) -> str:
    """A line by which a repetition is noticed: its words, without marks and capitals."""
    return " ".join(folded(word) for word in words_of(text))
