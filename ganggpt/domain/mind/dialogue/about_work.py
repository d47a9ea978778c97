"""Work: what the job is, where, what it pays, how hard it is, for whom, by when, and what it was again."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.trade import dollars, listed
from ganggpt.domain.mind.dialogue.understanding import AskedLine
from ganggpt.domain.mind.spoken_answer import Answer, informed

_EASY, _HARD = 3, 6
WORK_LINES: Final = {
    "work_what": "tell_work",
    "work_where": "tell_work_where",
    "work_pay": "tell_work_pay",
    "work_hard": "tell_work_hard",
    "work_who": "tell_work_who",
    "work_when": "tell_work_when",
    "work_again": "tell_work_again",
}


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
