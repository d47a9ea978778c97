"""The course of a talk: what is said twice is noticed, a talk that leads nowhere is turned, and in the end left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from ganggpt.domain.language.questions import TOPICS, Topic
from ganggpt.domain.language.words import words_of
from ganggpt.domain.mind.dialogue import about_self, about_town
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.trade import SALES, goes_on_selling
from ganggpt.domain.mind.dialogue.understanding import AskedLine, normal, topics_before
from ganggpt.domain.mind.spoken_answer import Answer, Sequel

TURNS_AFTER: Final = 3
"""Dead lines in a row after which the speaker changes the subject."""
ENDS_AFTER: Final = 5
"""Dead lines in a row after which it ends the talk."""
_SHORT: Final = 3
_DEAD: Final = frozenset(("silence", "nonsense", "agree", "refuse", "tell"))
_MAY_BE_TWICE: Final = frozenset(("again", "why", "really", "haggle", "hello", "leave", "thanks", "agree", "refuse"))


_RECENT: Final = 3
_OF_JOBS: Final[frozenset[Topic]] = frozenset(topic for topic in TOPICS if topic.startswith("work_"))


def leaning(c: TalkContext) -> frozenset[Topic]:
    """The topics that the talk is at: a job that was offered a moment ago, a price that was named."""
    lately = c.speaker.exchanges[-_RECENT:]
    job = c.speaker.job
    found: frozenset[Topic] = frozenset()
    if job is not None and any(f'"{job.title}"' in one.said or job.task in one.said for one in lately):
        found |= _OF_JOBS
    is_sale = c.speaker.life.wares and any("$" in one.said for one in lately[-2:])
    if (is_sale or goes_on_selling(c)) and not found:
        found |= SALES
    return found


def steered(c: TalkContext, asked: Sequence[AskedLine], answer: Answer) -> Answer:
    """The answer in the course of the talk."""
    last = asked[-1]
    times = _times_said(c)
    if times and last.topic not in _MAY_BE_TWICE:
        return replace(_said_again(last, answer, times), missing=answer.missing)
    dead = _dead_lines(c, last)
    if dead >= ENDS_AFTER:
        return Answer("bye", line="bored", because=f"the talk so far: {dead} dead lines")
    if dead >= TURNS_AFTER:
        return _turned(c, last)
    return answer


def _times_said(c: TalkContext) -> int:
    """How often the player said just this in the talk so far."""
    own = normal(c.text)
    return sum(normal(one.heard) == own for one in c.speaker.exchanges) if own else 0


def _said_again(last: AskedLine, answer: Answer, times: int) -> Answer:
    if times >= 3:
        return Answer("bye", line="bored", because=f"the talk so far: said {times + 1} times")
    if times == 2:
        return Answer("answer", line="repeated_again", because="the talk so far: said three times")
    if last.is_question and answer.act in ("inform", "trade", "opine", "remember", "tell_about", "introduce"):
        return replace(answer, then=(*answer.then, Sequel("repeated_question")))
    return Answer("answer", line="repeated", because="the talk so far: said twice")


def _dead_lines(c: TalkContext, last: AskedLine) -> int:
    """How many lines in a row, with this one, gave the talk nothing."""
    if not _is_dead(last):
        return 0
    count = 1
    for one in topics_before(c.speaker.exchanges, c.world):
        if not _is_dead(one):
            break
        count += 1
    return count


def _is_dead(asked: AskedLine) -> bool:
    if asked.topic in ("silence", "nonsense"):
        return True
    return asked.topic in _DEAD and not asked.is_question and len(words_of(asked.text)) <= _SHORT


def _turned(c: TalkContext, last: AskedLine) -> Answer:
    """Another subject: news that were not told yet, a story, or a question."""
    news = about_town.newest(c)
    if news is not None and news.no not in c.speaker.cited:
        return Answer("gossip", news, line="change_subject", because="the talk leads nowhere; memories: news")
    if c.fresh(c.speaker.life.stories) is not None:
        story = about_self.story(c, last)
        return replace(story, line="change_subject", then=(Sequel("and_more", story.facts),))
    return Answer("answer", line="change_subject", then=(Sequel("ask_on"),), because="the talk leads nowhere")
