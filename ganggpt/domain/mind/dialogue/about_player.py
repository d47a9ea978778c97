"""What the speaker knows of the player: who they are, what they did, said, owe and promised, and how the two stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ganggpt.domain.language.stop_words import topics_of
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import clipped, folded, stem, words_of
from ganggpt.domain.mind.background import causes_of
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.trade import listed
from ganggpt.domain.mind.dialogue.understanding import AskedLine, topics_before
from ganggpt.domain.mind.memory_record import Memory, is_expired, may_tell
from ganggpt.domain.mind.spoken_answer import Answer, Sequel, informed

_DID: Final = ("gift", "threat", "deed", "seen", "work", "order")
_OWN_WORDS: Final = ("talk", "promise", "debt")
_TOPICS_TOLD: Final = 3


def _of_player(c: TalkContext, kinds: Sequence[str]) -> list[Memory]:
    """Memories of the player of some kinds that may be told to them, the newest first, those not cited lately first."""
    now_s, by = c.turn.now_s, c.turn.by
    own = [
        one
        for one in reversed(c.speaker.memories)
        if one.about == by
        and one.kind in kinds
        and not one.replaced
        and may_tell(one, by)
        and not is_expired(one, now_s)
    ]
    own.sort(key=lambda one: one.no in c.speaker.cited)
    return own


def known(c: TalkContext, _: AskedLine) -> Answer:
    """Do you remember me."""
    me = c.speaker
    facts = {"listener": me.listener, "talks": str(me.talks)}
    told = _of_player(c, (*_DID, *_OWN_WORDS))
    if me.talks <= 1 and not told:
        return Answer("no_memory", facts=facts, line="know_you_not", because="standing: the first talk")
    line = "know_you" if me.listener else "know_your_face"
    return Answer(
        "remember", told[0] if told else None, facts=facts, line=line, because="standing; memories of the player"
    )


def did(c: TalkContext, _: AskedLine) -> Answer:
    """What did I do."""
    told = _of_player(c, _DID)
    if not told:
        return informed("you_did_nothing", "memories of the player: no deed")
    return Answer("remember", told[0], because="memories of the player")


def owe(c: TalkContext, _: AskedLine) -> Answer:
    """Do I owe you."""
    debts = _of_player(c, ("debt",))
    if debts:
        return Answer("remember", debts[0], line="you_owe", because="memories of the player: a debt")
    return informed("owe_nothing", "memories of the player: no debt")


def promised(c: TalkContext, _: AskedLine) -> Answer:
    """What did I promise."""
    promises = _of_player(c, ("promise", "debt"))
    if promises:
        return Answer("remember", promises[0], line="you_promised", because="memories of the player: a promise")
    said = _said_to_do(c)
    if said is not None:
        return informed("you_said_last", "the talk so far: a plan", {"text": said})
    return informed("promised_nothing", "memories of the player: no promise")


def _said_to_do(c: TalkContext) -> str | None:
    """What the player said in this talk that they are going to do."""
    for asked in topics_before(c.speaker.exchanges, c.world):
        if asked.topic == "plan" and asked.is_sure:
            return clipped(asked.text.strip().rstrip(".!"), 120)
    return None


def trust(c: TalkContext, _: AskedLine) -> Answer:
    """Do you trust me, what do you think of me."""
    me = c.speaker
    causes = [cause.rpartition(" (")[0] for cause in causes_of(me.memories, c.turn.by, c.turn)]
    label = (
        "trust_yes"
        if me.standing >= 30
        else "trust_some"
        if me.standing >= 10
        else "trust_no"
        if me.standing <= -20
        else "trust_open"
    )
    then: tuple[Sequel, ...] = ()
    if causes and abs(me.standing) >= 8:
        then = (Sequel("trust_because", {"text": clipped(_to_you(causes[0], me.listener), 160)}),)
    return Answer(
        "opine", line=label, facts={"talks": str(me.talks)}, then=then, because=f"standing {me.standing:.0f}; memories"
    )


def _to_you(text: str, listener: str) -> str:
    """A memory of the listener, told to them: "Ava gave me a watch" → "you gave me a watch"."""
    for name in filter(None, (listener, "A stranger")):
        if text.startswith(f"{name} "):
            return f"you {text[len(name) + 1 :]}".replace("you was ", "you were ").replace("you is ", "you are ")
    return text


def talked_about(c: TalkContext, _: AskedLine) -> Answer:
    """What were we talking about."""
    before = topics_before(c.speaker.exchanges, c.world)
    names: list[str] = []
    for asked in before:
        for one in asked.named:
            name = c.called(one)
            if name and one.is_sure:
                names.append(name)
    told = list(dict.fromkeys(names))[:_TOPICS_TOLD]
    if told:
        return informed("talked_about", "the talk so far", {"topics": listed(told)})
    if c.speaker.exchanges:
        return _said_last(c)
    return informed("talked_first", "the talk so far: nothing")


def _said_last(c: TalkContext) -> Answer:
    """What the player told last in this talk; a question only where there was nothing else."""
    every = [one.heard for one in reversed(c.speaker.exchanges)]
    said = next((heard for heard in every if "?" not in heard), every[0])
    return informed("you_said_last", "the talk so far", {"text": clipped(said.rstrip(" .!?"), 90)})


_NAME, _JUST, _TELL = map(listed_words, ("name_word", "just", "say"))
_STEMS_OF_NAME: Final = frozenset(map(stem, (*_NAME, *listed_words("knows"), "m'appelle")))
"""What a question for the player's own name may be about; the name of their dog is another matter."""
_STEMS_OF_SAYING: Final = frozenset(map(stem, map(folded, (*listed_words("says"), *listed_words("knows")))))
"""What a question for the player's last words may be about."""


def just_now(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What the player asks of this talk itself: their own name, what they said or the speaker said just now; None for
    everything else."""
    words = {folded(word) for word in words_of(asked.text)}
    is_of_name = not words.isdisjoint(_NAME) and topics_of(asked.text) <= _STEMS_OF_NAME
    if asked.topic == "me_said" and c.speaker.listener and is_of_name:
        return informed("your_name", "standing: the name", {"listener": c.speaker.listener})
    is_of_memory = asked.topic == "me_said" or asked.act.act in ("ask_memory", "ask_said")
    if is_of_memory and c.speaker.exchanges and topics_of(asked.text) <= _STEMS_OF_SAYING:
        return _said_last(c)
    if asked.topic not in ("me_said", "talked_about", "again") or words.isdisjoint(_JUST) or words.isdisjoint(_TELL):
        return None
    if not c.speaker.exchanges:
        return informed("talked_first", "the talk so far: nothing")
    if "i" in words:
        heard = clipped(c.speaker.exchanges[-1].heard.rstrip(" .!?"), 120)
        return informed("you_said_last", "the talk so far", {"text": heard})
    return informed("say_again", "the talk so far", {"text": c.speaker.exchanges[-1].said})
