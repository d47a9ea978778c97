"""Every kind of question gets an answer from what is true where the world knows it."""

from __future__ import annotations

import pytest

from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.npc.events import Swayed
from ganggpt.domain.npc.evolution import evolve
from ganggpt.domain.npc.state import Standing
from tests.support.talks import TalkWith, los_santos

QUESTIONS = [
    ("mara", "who are you?", "Mara Voss"),
    ("kofi", "what do you do for a living?", "taxi driver"),
    ("jonelle", "do you have any family?", los_santos().lives["jonelle"].family),
    ("tobias", "what do you want in life?", los_santos().lives["tobias"].wish),
    ("mara", "who do you run with?", "Ballast Row Crew"),
    ("mara", "who's your boss?", "Tobias"),
    ("tobias", "who gives you orders?", "Ballast Row Crew"),
    ("garrick", "where do you live?", "Saint Ansel"),
    ("garrick", "what do you like?", "crosswords"),
    ("jonelle", "who runs Figtree?", "Ballast Row Crew"),
    ("kofi", "where is Ferris Pier?", "Ferris Pier"),
    ("kofi", "how do I get to Saint Ansel?", "Saint Ansel"),
    ("kofi", "how far is it to Glass Mile?", "minutes"),
    ("jonelle", "what's there to see here?", "blue water tower"),
    ("mara", "who is Redd?", "Marcus Redd"),
    ("mara", "where can I find Redd right now?", "Marcus Redd"),
    ("tobias", "what do you think of Redd?", los_santos().lives["tobias"].opinions["npc:redd"]),
    ("mara", "what do you think of the police?", los_santos().lives["mara"].opinions["police"]),
    ("mara", "who leads the Ansel Nine?", "Marcus Redd"),
    ("mara", "what do the Corvinos live from?", los_santos().creeds["corvino"].business),
    ("ettore", "what are the rules of your family?", "corner table"),
    ("redd", "how do I join the Nine?", los_santos().creeds["ansel-nine"].joining),
    ("jonelle", "what do you sell?", "shaved ice"),
    ("jonelle", "how much is a shaved ice with mango?", "$4"),
    ("mara", "what time is it?", "12:00"),
    ("mara", "what's the weather like?", "clear"),
    ("sunny", "where can I get my car fixed?", "repairs"),
]


@pytest.mark.parametrize(("npc", "question", "known"), QUESTIONS)
def test_a_plain_question_is_answered_from_the_world(npc: str, question: str, known: str) -> None:
    talk = TalkWith(npc)
    said = talk.say(question)
    assert known.lower() in said.lower(), (said, talk.line, talk.because)


@pytest.mark.parametrize(
    ("first", "then", "known"),
    [
        ("who is Redd?", "and where is he now?", "Saint Ansel"),
        ("what do you think of Redd?", "and Delphine?", "green ink"),
        ("where is Ferris Pier?", "how far is that?", "minutes"),
        ("how do I get to Saint Ansel?", "is it dangerous there?", "blocks"),
        ("who are the Ansel Nine?", "who leads them?", "Marcus Redd"),
    ],
)
def test_he_there_and_them_are_what_was_spoken_of_last(first: str, then: str, known: str) -> None:
    talk = TalkWith("mara")
    talk.say(first)
    said = talk.say(then)
    assert known.lower() in said.lower(), (said, talk.line, talk.because)


def test_two_questions_of_one_line_are_both_answered() -> None:
    said = TalkWith("jonelle").say("Who are you? What do you sell?")
    assert "Jonelle" in said
    assert "shaved ice" in said.lower()


def test_work_is_offered_told_and_told_again() -> None:
    talk = TalkWith("mara")
    offered = talk.say("got any work for me?")
    job = talk.played.state.work["player:ava"]
    assert job.title in offered
    assert f"${job.reward:,}" in talk.say("how much does it pay?")
    assert str(job.minutes) in talk.say("how long do I have?")
    assert talk.say("is it dangerous?")
    assert talk.line.startswith("tell_work_")
    assert "Ballast Row Crew" in talk.say("who's paying for it?")
    talk.played.wait(9 * 86_400)
    assert job.title in talk.say("what was the job again?")


def test_a_haggle_goes_down_in_steps_never_below_the_least_and_ends_after_four_rounds() -> None:
    ware = next(one for one in los_santos().lives["deke"].wares if "watch" in one.name)
    talk = TalkWith("deke")
    talk.say("how much is the pocket watch?")
    asked = [talk.say(line) for line in ("too expensive", "still too much", "make it cheaper", "come on, cheaper!")]
    prices = [int(said.split("$")[1].split()[0].rstrip(".,!?").replace(",", "")) for said in asked]
    assert prices == sorted(prices, reverse=True)
    assert min(prices) >= ware.least
    assert talk.line == "haggle_last"


def test_an_offer_in_words_is_a_deal_where_it_is_enough() -> None:
    talk = TalkWith("deke")
    talk.say("how much is the pocket watch?")
    talk.say("too much")
    assert "deal" in talk.line or "$35" in talk.say("thirty-five, cash")
    assert talk.line == "haggle_deal"


def test_a_price_said_back_and_a_no_are_no_deal_and_nobody_pays_more_than_was_asked() -> None:
    talk = TalkWith("vesna")
    talk.say("how much is a drive out of anywhere?")
    talk.say("Almost five grand? I could buy a car for that.")
    assert talk.line == "haggle_no"
    talk.say("Wait, no! I didn't agree to any deal!")
    assert talk.line != "haggle_deal"
    deke = TalkWith("deke")
    deke.say("how much is the radio?")
    assert "$30" in deke.say("I'll give you 400 dollars")


def test_a_text_of_ones_own_life_that_has_the_words_of_a_question_comes_first() -> None:
    talk = TalkWith("fenwick")
    assert "four cents" in talk.say("I heard you found a mistake of four cents. What happened?")
    assert "flowers" in TalkWith("kip").say("Does your mom know what you do for a living?")
    assert "sea salt" in TalkWith("calavera").say("Why do you keep salt on your desk?")


def test_what_was_just_told_is_asked_on_of_the_teller_and_nobody_is_sent_elsewhere() -> None:
    talk = TalkWith("big-sal")
    talk.say("tell me a story")
    talk.say("Ha! Did they sing it?")
    assert talk.line != "dont_know_ask"


def test_nobody_knows_of_a_job_by_a_third_name_for_themselves() -> None:
    talk = TalkWith("fenwick")
    assert "Percival Fenwick" not in talk.say("do you have a job for me?")


def friendly(talk: TalkWith, value: float) -> None:
    state = talk.played.state
    talk.played.state = evolve(
        state, Swayed("player:ava", Standing(value, talk.played.now_s, name="Ava", talks=9), 20.0, "years")
    )


def test_a_secret_has_its_price_in_trust() -> None:
    secret = los_santos().lives["mara"].secrets[0]
    talk = TalkWith("mara")
    assert secret.hint in talk.say("what are you hiding?")
    friendly(talk, secret.standing + 5)
    assert secret.text in talk.say("tell me a secret, what are you hiding")


def test_who_is_hated_is_brushed_off() -> None:
    talk = TalkWith("mara")
    friendly(talk, HOSTILE_AT - 10)
    talk.say("what do you sell?")
    assert talk.act == "brush_off"


def test_why_a_thing_was_said_is_kept_with_it() -> None:
    talk = TalkWith("mara")
    talk.say("where is Redd now?")
    assert talk.line.startswith("tell_person")
    assert "redd" in talk.because


def test_what_nobody_knows_is_not_known_and_somebody_else_is_named() -> None:
    talk = TalkWith("mara")
    said = talk.say("who is Johnny Silverspoon?")
    assert talk.line == "dont_know_ask", (said, talk.line)
    assert any(sheet.name in said for sheet in los_santos().npcs.values())


@pytest.mark.parametrize("npc", ["mara", "deke", "sgt-ogden"])
@pytest.mark.parametrize(
    "question",
    [
        "Which healer was charged over opiates?",
        "Did the cannery burn last spring?",
        "who let the ponies out of the circus tent",
        "What became of the harpist's daughter?",
    ],
)
def test_what_nobody_knows_of_is_not_answered_with_what_sounds_alike(npc: str, question: str) -> None:
    talk = TalkWith(npc)
    talk.say(question)
    assert talk.because == "nothing is known of it"


def test_nobody_is_sent_to_the_same_person_twice() -> None:
    talk = TalkWith("mara")
    first = talk.say("Which healer was charged over opiates?")
    assert talk.line == "dont_know_ask"
    again = talk.say("And who let the ponies out of the circus tent?")
    assert talk.line != "dont_know_ask", (first, again)


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("Whose watch?", "more_who"),
        ("And then?", "more_end"),
        ("Where was that?", "more_where"),
        ("What watch?", "more_what"),
    ],
)
def test_who_asks_on_hears_that_it_ends_there_by_what_is_asked(question: str, line: str) -> None:
    talk = TalkWith("mara")
    assert "watch" in talk.say("Tell me a story.")
    talk.say(question)
    assert talk.line == line


def test_a_dealer_names_a_price_for_what_is_brought_goes_up_once_and_takes_it() -> None:
    talk = TalkWith("deke")
    talk.say("Do you buy guitars? I have one to sell.")
    assert talk.line == "buying"
    assert "$100" in talk.say("It's worth three hundred, easy.")
    assert "$125" in talk.say("Come on, a hundred and fifty.")
    talk.say("Give me more than that.")
    assert talk.line == "buying_last"
    assert "$125" in talk.say("Okay, deal.")
    assert talk.line == "bought"


def test_who_deals_in_nothing_buys_nothing() -> None:
    talk = TalkWith("mother-bell")
    talk.say("Do you want to buy my watch?")
    assert talk.line == "not_buying"


def test_a_price_that_is_taken_does_not_fall_any_more() -> None:
    talk = TalkWith("deke")
    talk.say("how much is the pocket watch?")
    talk.say("too much")
    assert "$35" in talk.say("still too much")
    assert "$35" in talk.say("thirty-five is fair, deal")


def test_a_sum_is_no_count_and_a_count_no_sum() -> None:
    talk = TalkWith("dot")
    assert "$5" in talk.say("Here's five for the pie.")
    talk = TalkWith("clem")
    assert "$48" in talk.say("I'll take two jars of the apple.")
    assert "$48" in talk.say("Okay, here's the money.")


def test_nothing_is_sold_on_credit() -> None:
    talk = TalkWith("deke")
    talk.say("how much is the pocket watch?")
    talk.say("Can I pay you ten now and the rest next week?")
    assert talk.line == "no_credit"


def test_another_ware_in_the_middle_of_a_sale_loses_no_round() -> None:
    talk = TalkWith("torque")
    talk.say("how much for the turbo?")
    assert "$3,600" in talk.say("too much, 3000")
    talk.say("what if I take the brake pads too?")
    assert "$3,300" in talk.say("3300 for the turbo and we shake on it")
    assert "$3,300" in talk.say("ok deal")


def test_a_dealer_stays_one_until_the_sale_is_done() -> None:
    talk = TalkWith("deke")
    talk.say("I want to sell my watch")
    talk.say("what would you give me for it?")
    assert talk.line == "buying"
    assert "$300" in talk.say("it's worth 900")
    assert "$350" in talk.say("give me 400 and we have a deal")
    talk.say("can I buy it back later?")
    assert talk.line == "buy_back"
    assert "$350" in talk.say("fine, deal")
    talk.say("And what do you sell?")
    assert talk.line == "tell_wares"


def test_a_bare_figure_in_a_haggle_is_an_amount() -> None:
    talk = TalkWith("nacho")
    talk.say("how much is a bottle of rum?")
    talk.say("that's too much")
    assert "$400" not in talk.say("20 then.")
    assert talk.line in ("haggle_deal", "haggle_down")
