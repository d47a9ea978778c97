"""Work: what the job is, where, what it pays, how hard it is, for whom, by when, and what it was again."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.pointing import is_pointing
from ganggpt.domain.mind.dialogue.trade import dollars, listed
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, informed

_EASY, _HARD = 3, 6
_PLAIN: Final = 0.9
"""Confidence in the speech act from which a line that has no form of a question asks for work."""
_WANTS: Final = listed_words("wants")
_OF_JOBS: Final = listed_words("of_jobs")
_US: Final = listed_words("i") | listed_words("you") | listed_words("mine")
_DETAILS: Final = frozenset(("work_what", "work_where"))
_LATELY: Final = 4
_TOLD_ENOUGH: Final = 2
"""Times the whole of a job was told lately, after which no detail is left."""
WORK_LINES: Final = {
    "work_what": "tell_work",
    "work_where": "tell_work_where",
    "work_pay": "tell_work_pay",
    "work_hard": "tell_work_hard",
    "work_who": "tell_work_who",
    "work_when": "tell_work_when",
    "work_again": "tell_work_again",
}


def asks_for_work(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a line wants a job: it asks for one, asks what there is to do where none was offered, or says yes to one
    that was only named."""
    if asked.act.act == "out_of_world":
        return False
    if asked.topic == "work" and asked.is_sure:
        words = {folded(word) for word in words_of(asked.text)}
        if is_pointing(asked.text, "npc") or is_pointing(asked.text, "faction"):
            return False
        is_heard = asked.act.act == "ask_work" and asked.act.confidence >= _PLAIN
        return "?" in asked.text or is_heard or not words.isdisjoint(_WANTS)
    if c.speaker.job is not None or not c.speaker.offers_work or not asked.is_sure:
        return False
    named = bool(c.speaker.exchanges) and any(
        f'"{c.world.missions[id_].title}"' in c.speaker.exchanges[-1].said for id_ in _own_jobs(c)
    )
    is_asked = asked.is_question and asked.topic in ("work_what", "work_again") and _may_be_of_job(c, asked)
    return is_asked or (named and asked.topic in ("agree", "buy", "work_pay"))


def is_of_job(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a line can be about a job: one was spoken of in this talk, or it says so."""
    words = {folded(word) for word in words_of(asked.text)}
    if not words.isdisjoint(_OF_JOBS):
        return True
    job = c.speaker.job
    titles = [job.title] if job is not None else [c.world.missions[id_].title for id_ in _own_jobs(c)]
    return any(f'"{title}"' in one.said for one in c.speaker.exchanges for title in titles)


def _may_be_of_job(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a question heard as one about a job can be one: it speaks of work, or of who asks or who is asked. "Which
    healer was charged over opiates?" only sounds like one."""
    words = {folded(word) for word in words_of(asked.text)}
    return is_of_job(c, asked) or not words.isdisjoint(_US)


def about_job(c: TalkContext, asked: AskedLine) -> Answer | None:
    """One thing about the job that was offered last."""
    job = c.speaker.job
    if job is None:
        return in_general(c)
    hardness = "easy" if job.difficulty <= _EASY else "hard" if job.difficulty >= _HARD else "middling"
    facts = {
        "title": job.title,
        "task": job.task,
        "reward": dollars(job.reward),
        "places": listed(job.places),
        "minutes": str(job.minutes),
        "hardness": hardness if job.difficulty else "",
        "payer": job.payer or c.speaker.name,
    }
    told = sum(facts["reward"] in one.said for one in c.speaker.exchanges[-_LATELY:])
    if asked.topic in _DETAILS and told >= _TOLD_ENOUGH:
        return informed("work_enough", "the offer: it says no more")
    line = WORK_LINES[asked.topic]
    if (asked.topic == "work_where" and not job.places) or (asked.topic == "work_when" and not job.minutes):
        line = "tell_work"
    if line in ("tell_work", "tell_work_again") and c.is_said(job.task):
        line = "tell_work_short"
    if asked.topic == "work_hard":
        line = f"tell_work_{hardness}"
    return informed(line, "the offer, as it was made", facts)


def in_general(c: TalkContext) -> Answer:
    """What work the speaker has in general, where none was offered."""
    titles = [c.world.missions[id_] for id_ in _own_jobs(c)]
    if not titles:
        return Answer("no_work", because="sheet: no jobs")
    job = titles[0]
    if any(f'"{job.title}"' in one.said for one in c.speaker.exchanges):
        return informed("ask_first", "sheet: missions; none was asked for", {"title": job.title})
    facts = {"title": job.title, "task": job.description, "reward": dollars(job.reward)}
    return informed("jobs_like", "sheet: missions", facts)


def _own_jobs(c: TalkContext) -> tuple[str, ...]:
    sheet = c.world.npcs.get(c.speaker.id)
    return tuple(id_ for id_ in sheet.missions if id_ in c.world.missions) if sheet is not None else ()
