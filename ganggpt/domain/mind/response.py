"""Chooses the response of an NPC or a companion: what a line wants, and the answer to it from what is true.

A line is heard as acts (``language.speech_acts``) and its sentences as topics (``dialogue.understanding``). What asks
for the player's own words goes to the memories; what asks for the speaker or the world to ``dialogue.topics``; what
asks nothing is reacted to. A talk has a course: repetition is noticed, and one that leads nowhere is turned or ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from ganggpt.domain.language.amounts import amount_in
from ganggpt.domain.language.facts import speaks_of_oneself
from ganggpt.domain.language.intent import topic
from ganggpt.domain.language.questions import Topic, menaces
from ganggpt.domain.language.speech_acts import QUESTIONS, HeardAct, HeardLine, SpeechAct, hear
from ganggpt.domain.language.stop_words import telling_terms
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.language.world_knowledge import said_of
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.brief import Act, politics_of
from ganggpt.domain.mind.dialogue import about_player, about_town, trade
from ganggpt.domain.mind.dialogue.about_work import asks_for_work, in_general
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.course import leaning, steered
from ganggpt.domain.mind.dialogue.own_texts import (
    QUESTION_FROM,
    STATEMENT_FROM,
    answered_better,
    hinted,
    is_of_last,
    own_text,
    said_as,
)
from ganggpt.domain.mind.dialogue.pointing import is_addressed
from ganggpt.domain.mind.dialogue.reactions import REACTIONS, in_need, reported
from ganggpt.domain.mind.dialogue.speaker import Speaker
from ganggpt.domain.mind.dialogue.topics import QUERIES
from ganggpt.domain.mind.dialogue.under_way import goes_on
from ganggpt.domain.mind.dialogue.understanding import AskedLine, asked_in
from ganggpt.domain.mind.finding import NOTHING, BestMemory, find
from ganggpt.domain.mind.memory import recall
from ganggpt.domain.mind.memory_index import Recalled
from ganggpt.domain.mind.memory_record import Memory, last_s
from ganggpt.domain.mind.spoken_answer import Answer, Sequel
from ganggpt.domain.turn import Turn

__all__ = ["FITS", "Answer", "Speaker", "answer"]

_BRING_UP_AFTER_S: Final = 600.0
_ABSENT_S: Final = 3600.0
FITS: Final = 0.34
"""Relevance from which a memory is about what was said."""
_HEARD_FROM: Final = 0.5
"""Confidence from which somebody asks for work or for news, and so hears of nothing else."""
_PLAIN: Final = 0.8
_WEAPON, _KIDDING = listed_words("weapon"), listed_words("kidding")
_WORTH_TELLING: Final = 15
_GUESSED_FROM: Final = 0.36
"""Confidence from which a question is answered as what it is most like, where nothing else answers it."""
_TAKEN_FROM: Final = 0.3
"""The same for a statement."""
_FELT: Final = frozenset({"insult", "apology", "praise", "flirt", "greet"})
"""What is answered with feeling also where it has the form of a question."""
_OF_THE_LISTENER: Final = frozenset({"ask_mood", "ask_self", "ask_said", "ask_time", "ask_weather", "ask_price"})
_ABOUT_SOMETHING: Final = frozenset({"ask_person", "ask_place", "ask_way", "ask_news"})
_ASKS_MEMORY: Final[frozenset[Topic]] = frozenset({"me_said", "tell", "plan"})
"""Topics of questions that only the memories answer."""
_PERSONAL: Final[frozenset[Topic]] = frozenset(
    {"self_past", "self_other", "self_home", "self_likes", "self_aims", "self_family"}
)
_DROP_YOU: Final = frozenset({"es", "pt", "ru"})
"""Languages in which a question to somebody needs no word for them."""
_FEW: Final = 4
_GIVES: Final = frozenset(("give", "pay", "offer", "back"))
"""Words of who sells something and asks what they get for it."""
_EVENTS: Final[frozenset[Topic]] = frozenset({"self_story", "news"})
"""Topics of questions for something that happened: what is surely remembered of it comes before any other story."""
_NOT_OF_LIFE: Final = ("opinion_person", "opinion_faction", "self_day")
_OTHER_OF_LIFE: Final = (
    *("danger", "politics", "news", "why", "who", "advice", "help", "time", "place_where", "source", "joke", "sights"),
    *("hours", "shop", "again"),
)
_OF_LIFE: Final[frozenset[Topic]] = frozenset(
    topic
    for topic in QUERIES
    if (topic.startswith(("self_", "opinion_", "faction")) and topic not in _NOT_OF_LIFE) or topic in _OTHER_OF_LIFE
)
"""Topics of questions that a text of the speaker's own life may answer better, where it has the words of the line."""
_POINTING: Final = (
    listed_words("he")
    | listed_words("they")
    | listed_words("there")
    | {"it", "that", "those", "das", "eso", "ça", "isso", "это"}
)
_SHORT: Final = 7
_MAY_ASK_ON: Final[frozenset[Topic]] = frozenset(
    (
        *("owner", "who", "place_about", "hours", "danger", "here", "sights", "faction", "faction_rules", "news"),
        *("event", "more", "self_story", "self_past", "self_likes", "self_role", "self_other", "opinion_other"),
    )
)
"""What a question is taken for that only takes up a word of the last line."""
_YOU: Final = listed_words("you")
_I: Final = listed_words("i")
_MINE: Final = listed_words("mine")
_FOR_ONESELF: Final[frozenset[Topic]] = frozenset(
    (
        *("here", "place_where", "way", "distance", "danger", "shop", "sights", "hours", "person_where", "who"),
        *("wares", "price", "haggle", "buy", "work", "work_what", "work_where", "work_pay", "work_hard", "work_when"),
        *("work_who", "work_again", "faction_join", "news", "again", "talked_about", "advice", "help", "time", "why"),
        *("really", "weather", "source", "joke", "order", "confess", "plan", "tell", "boast", "complain"),
        "threat_other",
    )
)
"""What people ask for in the first person though it is not about them."""
_COURTESY: Final[dict[Topic, Act]] = {
    "hello": "greet",
    "leave": "bye",
    "thanks": "welcome",
    "sorry": "forgive",
    "praise": "flattered",
    "insult": "insulted",
    "threat": "defiant",
}
_HARD: Final = frozenset({"threat", "robbery", "insult", "order", "demand"})
_ACT_COURTESY: Final[dict[SpeechAct, Topic]] = {
    "greet": "hello",
    "farewell": "leave",
    "thanks": "thanks",
    "apology": "sorry",
    "insult": "insult",
}
_ACTS: Final[dict[SpeechAct, Act]] = {
    "greet": "greet",
    "farewell": "bye",
    "thanks": "welcome",
    "apology": "forgive",
    "praise": "flattered",
    "flirt": "flattered",
    "insult": "insulted",
    "bad_news": "console",
    "good_news": "rejoice",
    "ask_mood": "how_are_you",
    "ask_self": "introduce",
}
"""What is answered to an act; to every other question ``wonder``, to everything else ``answer``."""


def answer(speaker: Speaker, text: str, absent_s: float, turn: Turn) -> Answer:
    """The response to ``text`` of the player ``turn.by``, who last talked to the speaker ``absent_s`` seconds ago."""
    heard = hear(text)
    if menaces(text) or goes_on_menacing(speaker, text):
        return _menaced(speaker, heard, turn)
    c = TalkContext(speaker, turn, text)
    asked = asked_in(text, speaker.exchanges, turn.world, leaning(c))
    if speaker.standing <= HOSTILE_AT and heard.main.act != "apology":
        return _by_acts(c, heard, absent_s)
    urgent = in_need(c, text)
    if urgent is not None:
        return urgent
    answers = [_answered(c, one, heard, absent_s) for one in asked]
    return steered(c, asked, _joined(answers))


def goes_on_menacing(speaker: Speaker, text: str) -> bool:
    """Whether a line goes on with a robbery or a threat of a moment ago: "I'm serious, I got a gun"."""
    if not any(menaces(one.heard) for one in speaker.exchanges[-2:]):
        return False
    words = {folded(word) for word in words_of(text)}
    return not words.isdisjoint(_WEAPON) and words.isdisjoint(_KIDDING)


def _menaced(speaker: Speaker, heard: HeardLine, turn: Turn) -> Answer:
    is_afraid = speaker.courage + turn.dice.between(-15, 15) < 45
    line = ""
    if heard.does("robbery") and not heard.does("threat"):
        line = "robbed_afraid" if is_afraid else "robbed_defiant"
    return Answer("afraid" if is_afraid else "defiant", line=line, because=f"sheet: courage {speaker.courage}")


def _joined(answers: Sequence[Answer]) -> Answer:
    """Two answers as one: the second follows on the first, where it is more than a feeling."""
    first, *others = answers
    for other in others:
        if other.facts and other.facts == first.facts:
            continue
        if other.memory is not None or other.act in ("greet", "bye", "brush_off", "dont_know", "wonder"):
            if first.memory is None and first.act in ("greet", "dont_know", "wonder", "answer"):
                first = replace(other, then=(*other.then, *first.then))
            continue
        part = Sequel(other.line or other.act, other.facts)
        first = replace(
            first, then=(*(one for one in first.then if not one.line.startswith("ask_")), part, *other.then)
        )
    return first


def _answered(c: TalkContext, asked: AskedLine, heard: HeardLine, absent_s: float) -> Answer:
    """The answer to one sentence."""
    answer = _of_sale(c, asked) or goes_on(c, asked) or _of_work(c, asked) or _courteous(c, asked, absent_s)
    if answer is not None:
        return answer
    if not asked.is_question and (asked.is_sure or asked.act.act not in QUESTIONS):
        is_taken = asked.is_sure or (asked.topic in REACTIONS and asked.confidence >= _TAKEN_FROM)
        return (_queried(c, asked) if is_taken else None) or _unasked_for(c, asked, heard, absent_s)
    return about_player.just_now(c, asked) or _told(c, asked, absent_s)


def _of_sale(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What is said to a sum, or to who wants more, while the player sells something to the speaker."""
    words = {folded(word) for word in words_of(asked.text)}
    is_of_it = (
        amount_in(asked.text) is not None or asked.topic in ("more", "haggle", "agree") or not words.isdisjoint(_GIVES)
    )
    return trade.haggle(c, asked) if is_of_it and trade.goes_on_selling(c) else None


def _of_work(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What is said to who asks for work: offered to who asks plainly, told to who was half heard."""
    if asks_for_work(c, asked):
        return Answer("hint_work" if c.speaker.offers_work else "no_work", because="sheet: missions")
    is_half_heard = asked.act.act == "ask_work" and asked.act.confidence >= _PLAIN and not asked.is_sure
    return in_general(c) if is_half_heard else None


def _told(c: TalkContext, asked: AskedLine, absent_s: float) -> Answer:
    """The answer to a question: from the memories where it asks for what the player said or what is theirs, else from
    what is true, else from the memories, else what comes to mind, else what it is most like. Where nothing is certain,
    the archive is searched as well."""
    found = _found(c, asked)
    asks_memory = asked.topic in _ASKS_MEMORY or asked.act.act in ("ask_memory", "ask_said")
    is_of_event = found.is_sure and (
        asked.topic in _EVENTS or (asked.topic in _OF_LIFE and not is_addressed(asked.text))
    )
    if is_of_event or _is_of_player(c, asked) or (found.is_said and _may_be_of_player(asked, found)):
        return _by_acts_of(c, asked, found, absent_s)
    told = about_town.more(c, asked) if _asks_on_last(c, asked) else _known(c, asked)
    if told is not None:
        return _with_memory(told, found, c)
    guessed = None
    if not (found.is_sure or asks_memory):
        guessed = _from_own_texts(c, asked.text, STATEMENT_FROM if asked.topic == "event" else QUESTION_FROM)
        if guessed is None and asked.confidence >= _GUESSED_FROM and not _is_of_something_else(c, asked):
            guessed = _queried(c, asked)
    if guessed is not None:
        return replace(guessed, missing=topic(asked.text))
    return _by_acts_of(c, asked, found, absent_s)


def _known(c: TalkContext, asked: AskedLine) -> Answer | None:
    """The answer from what is true to a question whose topic is sure: by the topic, or by a text of the speaker's own
    life that has more of its words. None where it asks for what is not theirs to know."""
    if not asked.is_sure or asked.topic in _ASKS_MEMORY or _is_of_something_else(c, asked):
        return None
    told = _queried(c, asked)
    if told is None or asked.topic not in _OF_LIFE:
        return told
    own = answered_better(c, asked.text, told.facts)
    return told if own is None else said_as(own)


def _asks_on_last(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a short question takes up a word of what the speaker just said: "Whose tyre?"."""
    if asked.topic not in _MAY_ASK_ON or is_addressed(asked.text) or any(one.is_sure for one in asked.named):
        return False
    if asked.topic in ("news", "event") and _asks_on(c, asked.text):
        return True
    return len(words_of(asked.text)) <= _SHORT and is_of_last(c, asked.text)


def _is_of_something_else(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a question that was taken for one about the speaker's life is about something else: "do you remember the
    necklace?", "How did that blaze begin?"."""
    if asked.topic not in _PERSONAL:
        return False
    words = [folded(word) for word in words_of(asked.text)]
    is_of_others = c.speaker.language not in _DROP_YOU and len(words) > _FEW and _YOU.isdisjoint(words)
    return asked.act.act == "ask_memory" or (is_of_others and not asked.is_left_open)


def _found(c: TalkContext, asked: AskedLine) -> BestMemory:
    """The memory that answers a question. What was said in this very talk is only quoted to who asks for it."""
    found = find(c.speaker.memories, asked.text, c.turn)
    if found.memory is None or asked.topic.startswith(("me_", "talked")) or asked.act.act in ("ask_memory", "ask_said"):
        return found
    if found.memory.kind == "met":
        return NOTHING
    is_said = found.memory.kind != "seen"
    words = {folded(word) for word in words_of(asked.text)}
    if found.is_sure and (not asked.is_sure or not words.isdisjoint(_MINE)):
        return found
    is_of_talk = is_said and bool(c.speaker.exchanges) and c.turn.now_s - last_s(found.memory) < _BRING_UP_AFTER_S
    return NOTHING if is_of_talk and found.memory.about == c.turn.by else found


def _queried(c: TalkContext, asked: AskedLine) -> Answer | None:
    query = QUERIES.get(asked.topic)
    return None if query is None else query(c, asked)


def _from_own_texts(c: TalkContext, text: str, least: float) -> Answer | None:
    """What the speaker has to say to this by the words it has in common with their life."""
    own = own_text(c, text, least, public=least <= QUESTION_FROM)
    if own is not None:
        return said_as(own)
    hint = hinted(c, text) if least <= QUESTION_FROM else None
    if hint is not None:
        return Answer("keep_secret", line="keep_secret", facts={"hint": hint}, because="life: a secret, kept")
    return None


def _is_of_player(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a question is about the player's own affairs, which only the memories know."""
    if asked.topic == "me_said":
        return True
    if asked.topic == "me_known" and _tells(asked.text):
        return True
    if asked.topic.startswith("work_") and c.speaker.job is None and not c.speaker.offers_work:
        return True
    words = {folded(word) for word in words_of(asked.text)}
    if not words.isdisjoint(_YOU) or asked.topic in _FOR_ONESELF or asked.topic.startswith("me_"):
        return False
    return asked.topic.startswith("self_") and asked.topic != "self_story" and not words.isdisjoint(_I)


def _may_be_of_player(asked: AskedLine, found: BestMemory) -> bool:
    """Whether a question is about the player's own affairs, as a memory fits it."""
    if asked.topic.startswith("me_"):
        return asked.topic != "me_trust"
    if not _MINE.isdisjoint(folded(word) for word in words_of(asked.text)):
        return True
    return speaks_of_oneself(asked.text) and (found.is_sure or asked.topic not in _FOR_ONESELF)


def _tells(text: str) -> bool:
    """Whether a question names something certain beside who asks."""
    about = topic(text)
    return any(tells == 1.0 and term not in ("we", "i", "me") for term, tells in telling_terms(about)) and about != text


def _with_memory(told: Answer, found: BestMemory, c: TalkContext) -> Answer:
    """An answer with what is remembered of the same, where that is sure and was not just said."""
    memory = found.memory
    if told.memory is not None or memory is None or not found.is_sure or told.act not in ("inform", "opine"):
        return told
    if c.turn.now_s - last_s(memory) < _BRING_UP_AFTER_S or memory.no in c.speaker.cited or told.then:
        return told
    return replace(told, memory=memory)


def _courteous(c: TalkContext, asked: AskedLine, absent_s: float) -> Answer | None:
    """What is said to a greeting, thanks, an apology, praise, an insult; None where a line is none of these."""
    heard_as: Topic | None = asked.topic if asked.topic in _COURTESY and asked.is_sure else None
    if heard_as is None and asked.act.confidence >= _HEARD_FROM and not asked.is_sure and not asked.is_question:
        heard_as = _ACT_COURTESY.get(asked.act.act)
    if heard_as is None:
        return None
    if heard_as == "threat":
        is_hard = asked.act.act in _HARD
        return Answer("defiant", line="threat_soft", because="heard as half a threat") if is_hard else None
    act = _COURTESY[heard_as]
    memory = _unasked(c.speaker, c.text, absent_s, c.turn) if act == "greet" else None
    then: tuple[Sequel, ...] = ()
    if act == "greet" and memory is None and not c.speaker.exchanges and c.turn.dice.chance(0.5):
        then = (Sequel("greet_ask" if c.speaker.listener or c.speaker.talks > 1 else "ask_name"),)
    return Answer(act, memory, then=then, because=f"heard as {heard_as}")


def _unasked_for(c: TalkContext, asked: AskedLine, heard: HeardLine, absent_s: float) -> Answer:
    """What is said to a statement."""
    if asked.act.act == "report_crime" and asked.act.confidence >= _HEARD_FROM:
        return reported(c)
    act = _ACTS.get(asked.act.act)
    if act is not None and asked.act.confidence >= _HEARD_FROM:
        memory = _unasked(c.speaker, c.text, absent_s, c.turn)
        return Answer(act, memory, because=f"heard as {asked.act.act}")
    memory = _unasked(c.speaker, c.text, absent_s, c.turn)
    if memory is not None:
        return Answer("answer", memory, because="a memory that fits")
    own = _from_own_texts(c, asked.text, STATEMENT_FROM)
    if own is not None:
        return own
    return QUERIES["tell"](c, asked) or Answer("answer", because=f"heard as {heard.main.act}")


def _by_acts(c: TalkContext, heard: HeardLine, absent_s: float) -> Answer:
    """The response of somebody who does not want to talk: only what is asked for and known."""
    act: SpeechAct = "ask_other" if _is_half_heard(heard.main) else heard.main.act
    if act in QUESTIONS or heard.looks_asking:
        found = find(c.speaker.memories, c.text, c.turn)
        replied = _asked(c, c.text, act, found, absent_s)
        if replied is not None:
            return replied
    return Answer(
        "brush_off", _unasked(c.speaker, c.text, absent_s, c.turn), because=f"standing {c.speaker.standing:.0f}"
    )


def _by_acts_of(c: TalkContext, asked: AskedLine, found: BestMemory, absent_s: float) -> Answer:
    is_other = _is_half_heard(asked.act) or asked.topic == "event"
    act: SpeechAct = "ask_other" if is_other else asked.act.act
    replied = _asked(c, asked.text, act, found, absent_s)
    if replied is not None:
        return replied
    if act in _ACTS:
        return Answer(_ACTS[act], _unasked(c.speaker, asked.text, absent_s, c.turn), because=f"heard as {act}")
    return _unknown(c, asked.text, "ask_other", absent_s)


def _is_half_heard(main: HeardAct) -> bool:
    """Whether a line asks, and it is not sure for what."""
    return main.act in ("ask_work", "ask_news") and main.confidence < _HEARD_FROM


def _asked(c: TalkContext, text: str, act: SpeechAct, found: BestMemory, absent_s: float) -> Answer | None:
    """The answer to a question: what a memory says of it, what everybody knows, or that one does not know. None where
    the line only looks like a question and no memory answers it."""
    speaker, turn = c.speaker, c.turn
    about = topic(text)
    missing = "" if found.is_sure else about
    if act not in QUESTIONS and not (found.is_sure if act in _FELT else found.is_said):
        return None
    if act == "ask_work" and not (found.is_sure and speaks_of_oneself(text)):
        # A job is only offered to who plainly asks for one.
        return Answer("brush_off") if speaker.standing <= HOSTILE_AT else in_general(c)
    memory, is_guess = found.memory if found.is_said else None, not found.is_sure
    if act == "ask_memory" and memory is None:
        return _not_remembered(speaker, text, turn)
    if memory is None and act == "ask_news":
        memory, is_guess, missing = about_town.newest(c), False, ""
    # A name in a question about the listener is how they are called, and not what is asked about.
    known = None
    if act in QUESTIONS and act not in _OF_THE_LISTENER and act != "ask_memory":
        known = said_of(turn.world, about, speaker.faction, by_full_name=about == text)
    if known is not None:
        if memory is not None and turn.now_s - last_s(memory) < _BRING_UP_AFTER_S:
            memory = None
        return Answer("tell_about", memory, facts={"topic": about, "known": known}, because="sheets")
    if memory is not None:
        word: Act = "remember" if memory.about == turn.by or act == "ask_memory" else "gossip"
        why = f"memory {memory.no}, confidence {found.confidence:.2f}"
        return Answer("guess" if is_guess else word, memory, facts={"topic": about}, missing=missing, because=why)
    return _unknown(c, text, act, absent_s)


def _asks_on(c: TalkContext, text: str) -> bool:
    """Whether a short question points back at what the speaker just said: "Did they sing it?"."""
    words = [folded(word) for word in words_of(text)]
    return bool(c.speaker.exchanges) and len(words) <= _SHORT and not _POINTING.isdisjoint(words)


def _not_remembered(speaker: Speaker, text: str, turn: Turn) -> Answer:
    """The answer to "do you remember …" where nothing fits: a memory about the player only where nothing certain was
    asked for."""
    about = topic(text)
    if any(tells == 1.0 for _, tells in telling_terms(about)):
        return Answer("no_memory", missing=about)
    ranked = recall(speaker.memories, about, turn.now_s, 6, turn.by, listener=turn.by)
    own = [one.memory for one in ranked if one.person]
    other = next((memory for memory in own if memory.no not in speaker.cited), own[0] if own else None)
    return Answer("remember" if other is not None else "no_memory", other, missing=about)


def _unknown(c: TalkContext, text: str, act: SpeechAct, absent_s: float) -> Answer:
    """The answer where neither a memory nor the world says anything about what was asked: whom to ask instead."""
    speaker, turn = c.speaker, c.turn
    if act == "ask_faction":
        politics = politics_of(turn.world, speaker.faction)
        return Answer("politics" if politics is not None else "no_politics", politics=politics)
    if speaker.standing <= HOSTILE_AT:
        return Answer("brush_off", _unasked(speaker, text, absent_s, turn), missing=text)
    if act in _ACTS:
        return Answer(_ACTS[act], missing=text)
    why = "nothing is known of it"
    if act == "ask_other" and not _YOU.isdisjoint(map(folded, words_of(text))):
        # Of the speaker's own life nobody else is asked.
        return Answer("wonder", missing=text, line="own_business", because=why)
    if is_of_last(c, text) or _asks_on(c, text):
        return about_town.no_more(text)
    return _sent_on(c, text, act, absent_s, why)


def _sent_on(c: TalkContext, text: str, act: SpeechAct, absent_s: float, why: str) -> Answer:
    """Who may know instead, where somebody may."""
    knows = about_town.who_knows(c) if act in _ABOUT_SOMETHING or act == "ask_other" else None
    if knows is not None and any(knows["who"] in one.said for one in c.speaker.exchanges):
        # Nobody is sent to the same person twice.
        return Answer("dont_know", facts={"topic": topic(text)}, missing=text, because=why)
    if knows is not None or act in _ABOUT_SOMETHING:
        line = "dont_know_ask" if knows is not None else "dont_know"
        return Answer("dont_know", facts={"topic": topic(text), **(knows or {})}, missing=text, line=line, because=why)
    return Answer("wonder", _unasked(c.speaker, text, absent_s, c.turn), missing=text, because=why)


def _unasked(speaker: Speaker, text: str, absent_s: float, turn: Turn) -> Memory | None:
    """A memory that is brought up unasked: likely after an absence, sometimes otherwise; not the same one soon."""
    if not turn.dice.chance(0.8 if absent_s >= _ABSENT_S else 0.3):
        return None
    ranked = recall(speaker.memories, text, turn.now_s, 5, turn.by, listener=turn.by)
    is_back = absent_s >= _ABSENT_S
    return next((one.memory for one in ranked if _comes_up(one, speaker.cited, turn.now_s, is_back=is_back)), None)


def _comes_up(found: Recalled, cited: tuple[int, ...], now_s: float, *, is_back: bool) -> bool:
    """Whether a memory is brought up: of who comes back anything about them, in the middle of a talk what fits it."""
    memory = found.memory
    return (
        memory.no not in cited
        and not memory.replaced
        and memory.weight >= _WORTH_TELLING
        and now_s - last_s(memory) >= _BRING_UP_AFTER_S
        and ((found.person > 0 and is_back) or found.relevance >= FITS)
    )
