"""Lines that ask nothing are taken as what they are, and a talk has a course."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ganggpt.domain.mind.dialogue.course import ENDS_AFTER, TURNS_AFTER
from tests.support.talks import TalkWith, los_santos

LINES = [
    ("mara", "This is a robbery, hand over the cash!", ("robbed_afraid", "robbed_defiant", "afraid", "defiant")),
    ("mara", "I'm going to kill Redd tonight.", ("threat_",)),
    ("tobias", "I'll kill Mara for this.", ("threat_friend",)),
    ("odile", "I killed a man last night.", ("confided",)),
    ("halloran", "I robbed a store yesterday.", ("confided_police",)),
    ("garrick", "shut up and follow me", ("ordered",)),
    ("gia", "you are the most beautiful woman I have ever seen", ("flirted", "flattered")),
    ("mara", "asdf blub my toaster is the king of spain", ("nonsense",)),
    ("mara", "...", ("silent",)),
    ("mara", "my mother died last week", ("console",)),
    ("doc-hollis", "I've been shot!", ("help_doctor",)),
    ("jonelle", "help, I'm bleeding", ("help_hurt",)),
    ("dot", "I'm so hungry", ("hungry_",)),
    ("fenwick", "I'm thinking of jumping off a bridge", ("please_live",)),
    ("mara", "thanks a lot", ("welcome",)),
    ("mara", "bye, see you around", ("bye",)),
]


@pytest.mark.parametrize(("npc", "line", "taken"), LINES)
def test_a_line_is_taken_as_what_it_is(npc: str, line: str, taken: tuple[str, ...]) -> None:
    talk = TalkWith(npc)
    said = talk.say(line)
    assert talk.line.startswith(taken) or talk.act.startswith(taken), (said, talk.line, talk.act)


def test_who_speaks_of_a_wounded_friend_is_consoled_and_not_bandaged() -> None:
    talk = TalkWith("odile")
    talk.say("I ran from a fight and my friend got hurt.")
    assert talk.line != "help_hurt"
    talk.say("No, I'm not hurt. My friend is.")
    assert talk.line != "help_hurt"


def test_babble_does_not_change_the_language_of_a_talk() -> None:
    talk = TalkWith("jonelle")
    talk.say("hi, nice cart you have")
    said = talk.say("blorp zib zab florgen")
    assert not any(word in said for word in ("Hast", "Du", "du "))


def test_a_crime_is_reported_to_the_police_and_a_place_named_in_it_is_no_question() -> None:
    talk = TalkWith("halloran")
    talk.say("Somebody stole my bike on Pillar Plaza yesterday around four.")
    assert talk.line == "report_police"


def test_a_question_after_thanks_is_answered() -> None:
    talk = TalkWith("big-sal")
    talk.say("hi")
    talk.say("Thanks, Sal. That means a lot. You got a family yourself?")
    assert talk.line == "tell_family"


def test_a_wounded_player_is_sent_to_the_doctor() -> None:
    doctor = los_santos().npcs["doc-hollis"].name
    assert doctor in TalkWith("mara").say("help me, I've been shot")


def test_a_robber_who_insists_is_still_a_robber_and_who_jokes_is_not() -> None:
    talk = TalkWith("garrick")
    talk.say("This is a robbery! Give me your money!")
    talk.say("I'm serious, I've got a gun")
    assert talk.act in ("afraid", "defiant")
    talk.say("just kidding")
    assert talk.line == "kidding"


def test_the_same_line_again_is_noticed_and_in_the_end_leaves_the_talk() -> None:
    talk = TalkWith("mara")
    lines = []
    for _ in range(4):
        talk.say("I like your ledger")
        lines.append(talk.line)
    assert lines[1:] == ["repeated", "repeated_again", "bored"]


def test_a_question_asked_twice_is_answered_twice() -> None:
    talk = TalkWith("mara")
    talk.say("where is Redd now?")
    said = talk.say("where is Redd now?")
    assert "Marcus Redd" in said or los_santos().districts["saint-ansel"].name in said


def test_a_talk_that_leads_nowhere_is_turned_and_then_ended() -> None:
    talk = TalkWith("old-pete")
    lines = []
    for line in ("hm", "...", "ok", "uh", "hmm", "mm"):
        talk.say(line)
        lines.append(talk.line)
    assert "change_subject" in lines[TURNS_AFTER - 1 :]
    assert lines[-1] == "bored" or len(lines) < ENDS_AFTER


def test_no_opener_comes_twice_within_ten_and_nothing_is_said_twice_in_a_row() -> None:
    talk = TalkWith("deke")
    said = [talk.say(line) for line in ("hi", "what do you sell?", "too expensive", "who are you", "bye") * 2]
    assert all(one != other for one, other in pairwise(said))


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("de", "Wo finde ich den Redd jetzt?"),
        ("es", "¿Dónde está Redd ahora?"),
        ("fr", "Où est-ce que je trouve Redd en ce moment ?"),
        ("pt", "Onde eu acho o Redd agora?"),
        ("ru", "Где сейчас найти Redd?"),
    ],
)
def test_who_asks_in_another_language_is_answered_in_it(language: str, line: str) -> None:
    from ganggpt.domain.language.questions import language_shares

    talk = TalkWith("mara")
    said = talk.say(line)
    assert "Saint Ansel" in said, said
    heard, share = language_shares(said.replace("Marcus Redd", "").replace("Saint Ansel", ""))
    assert heard == language or share < 0.7, (said, heard, share)


def test_an_officer_goes_on_taking_a_report_and_says_what_comes_of_it() -> None:
    talk = TalkWith("sgt-ogden")
    talk.say("I want to report a stolen car.")
    assert talk.line == "report_police"
    talk.say("It was parked on the pier, a blue coupe.")
    assert talk.line == "report_more"
    talk.say("So what happens now?")
    assert talk.line == "report_next"


def test_a_doctor_goes_on_treating_and_names_the_price() -> None:
    talk = TalkWith("doc-hollis")
    talk.say("I got shot")
    assert talk.line == "help_doctor"
    talk.say("It's in the leg.")
    assert talk.line == "treat_more"
    talk.say("How bad is it?")
    assert talk.line == "treat_next"
    assert "$" in talk.say("What do I owe you?")


def test_a_mechanic_offers_a_repair_others_send_to_one() -> None:
    talk = TalkWith("roxy")
    assert "$120" in talk.say("My bike keeps stalling at red lights.")
    assert talk.line == "mend_ware"
    talk = TalkWith("mother-bell")
    talk.say("My bike keeps stalling at red lights.")
    assert talk.line in ("tell_shop", "tell_shop_place")


@pytest.mark.parametrize("line", ["They say you water the coffee.", "so you admit you're crooked", "you lied to me"])
def test_an_accusation_is_taken_as_one(line: str) -> None:
    talk = TalkWith("dot")
    talk.say(line)
    assert talk.line == "accused"


def test_who_confessed_is_advised_about_that_and_a_chaplain_prays() -> None:
    talk = TalkWith("preach")
    talk.say("I stole from a friend. Six hundred, out of his jacket.")
    assert talk.line == "confided_friend"
    talk.say("Should I tell him the truth?")
    assert talk.line == "advice_self"
    talk.say("Will you pray for me?")
    assert talk.line == "prays"


def test_what_was_told_of_a_job_twice_has_no_more_details() -> None:
    talk = TalkWith("big-sal")
    talk.say("Got work for me?")
    talk.say("What would I be doing exactly?")
    talk.say("What do I have to do there?")
    talk.say("And where do I go?")
    assert talk.line == "work_enough"


def test_who_tells_of_a_death_is_heard_out_and_gets_no_easy_answer() -> None:
    talk = TalkWith("preach")
    talk.say("My brother died last week.")
    talk.say("he was shot outside a bar on 5th")
    assert talk.line == "grief_more"
    talk.say("why would God let this happen?")
    assert talk.line == "grief_next"
    talk.say("I want to kill the guy who did it")
    assert talk.line == "grief_rage"
    talk.say("We had a fight, and I never said sorry.")
    assert talk.line == "grief_more"
    talk.say("How do I go on?")
    assert talk.line == "grief_next"
    talk.say("will you say a prayer for Danny?")
    assert talk.line == "prays"


def test_a_report_begins_with_what_was_done_to_the_player_and_goes_on_for_a_while() -> None:
    talk = TalkWith("sgt-ogden")
    talk.say("I was mugged just now")
    assert talk.line == "report_police"
    for line in ("two guys with masks", "they took my phone and my wallet", "about twenty minutes ago, by the docks"):
        talk.say(line)
        assert talk.line == "report_more", line
    talk.say("are you going to send a car?")
    assert talk.line == "report_next"
