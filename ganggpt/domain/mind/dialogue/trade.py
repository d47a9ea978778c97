"""What the speaker sells, for how much, and how it haggles: at most ROUNDS_MAX rounds, never below its lowest price."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ganggpt.domain.language.amounts import amount_in, bought_in, count_in, share_in
from ganggpt.domain.language.questions import Topic
from ganggpt.domain.language.spoken_of import stems_of
from ganggpt.domain.language.word_lists import listed_words
from ganggpt.domain.language.words import folded, stem, words_of
from ganggpt.domain.lore import Ware
from ganggpt.domain.mind.dialogue.conversation import TalkContext
from ganggpt.domain.mind.dialogue.understanding import AskedLine, asked_in
from ganggpt.domain.mind.spoken_answer import LIST_MARK, PRICE_MARK, Answer, Sequel, informed
from ganggpt.domain.mission_design.roads import distances_m

ROUNDS_MAX: Final = 4
"""Rounds of a haggle after which nothing moves any more."""
_TOLD_MAX: Final = 3
_LATELY: Final = 3
"""Lines for which a sum that was named stands."""
SALES: Final[frozenset[Topic]] = frozenset(("price", "haggle", "buy"))
"""The topics of a sale."""
_FRIENDS_FROM: Final = 35.0
"""Standing from which somebody gets the lowest price for the asking."""


def listed(words: Sequence[str]) -> str:
    """Words as one fact; the wording makes a list of them in the language that is spoken."""
    return LIST_MARK.join(words)


def dollars(amount: float) -> str:
    """An amount of money."""
    return f"${round(amount):,}"


def name_of(c: TalkContext, ware: Ware) -> str:
    """What a ware is called in the language that is spoken."""
    return ware.names.get(c.speaker.language, ware.name)


def wares_in_words(c: TalkContext, wares: Sequence[Ware]) -> list[str]:
    """What is sold, each with its price."""
    return [f"{name_of(c, one)}{PRICE_MARK}{dollars(one.price)}" for one in wares]


def is_of_money(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a line can be about a price: money or a ware is spoken of in it, or was a moment ago."""
    words = {folded(word) for word in words_of(asked.text)}
    if not words.isdisjoint(_OF_MONEY) or amount_in(asked.text) is not None:
        return True
    return any("$" in one.said for one in c.speaker.exchanges[-2:]) or ware_of(c, asked, is_talk=False) is not None


def wares(c: TalkContext, asked: AskedLine) -> Answer | None:
    """What do you sell; have you got any of it."""
    mine = c.speaker.life.wares
    if _is_selling(asked):
        return _buying(c, asked)
    wanted = _wanted(asked)
    if not mine:
        return shop(c, asked) if wanted else informed("no_wares", "life: sells nothing", {"role_a": c.speaker.role})
    found = offered(c, asked)
    if found is not None:
        return found
    if wanted and not wanted <= _FOODLIKE:
        return _have_not(c, wanted)
    facts = {"wares": listed(wares_in_words(c, _within(asked, mine)[:_TOLD_MAX]))}
    return Answer("trade", line="tell_wares", facts=facts, then=(Sequel("ask_ware"),), because="life: wares")


def offered(c: TalkContext, asked: AskedLine) -> Answer | None:
    """The ware of the speaker's that a sentence calls, with its price; None where it calls none."""
    found = ware_of(c, asked, is_talk=False)
    if found is None:
        return None
    facts = {"ware": name_of(c, found), "price": dollars(found.price)}
    return Answer("trade", line="have_ware", facts=facts, because="life: wares")


def _within(asked: AskedLine, mine: Sequence[Ware]) -> Sequence[Ware]:
    """The wares that cost no more than somebody wants to spend: "anything under fifty bucks?"; else all."""
    most = (amount_in(asked.text) or 0) if not _UNDER.isdisjoint(words_of(asked.text)) else 0
    return [one for one in mine if one.price <= most] or mine


def _have_not(c: TalkContext, wanted: frozenset[str]) -> Answer:
    """Something the speaker does not sell, and who does."""
    mine, elsewhere = c.speaker.life.wares, seller_of(c, wanted)
    if elsewhere is None:
        return informed("have_not", "life: wares", {"wares": listed(wares_in_words(c, mine[:_TOLD_MAX]))})
    line = "have_not_but" if "who" in elsewhere else "have_not_place"
    facts = {"wares": listed(wares_in_words(c, mine[:2])), **elsewhere}
    return informed(line, "lives and places: who sells it", facts)


def price(c: TalkContext, asked: AskedLine) -> Answer | None:
    """How much is it."""
    if _sells(c, asked):
        return _buying(c, asked)
    found = ware_of(c, asked)
    if found is None:
        wanted = _wanted(asked)
        if wanted and not wanted <= _FOODLIKE and c.speaker.life.wares:
            return _have_not(c, wanted)
        if c.speaker.life.wares:
            told = listed(wares_in_words(c, c.speaker.life.wares[:_TOLD_MAX]))
            return Answer("trade", line="tell_prices", facts={"wares": told}, because="life: wares")
        if c.speaker.job is not None:
            return None
        return informed("no_wares", "life: sells nothing", {"role_a": c.speaker.role})
    count = count_in(asked.text)
    asks = current_price(c, found) * count
    line = "tell_price_many" if count > 1 else "tell_price"
    facts = {"ware": name_of(c, found), "price": dollars(asks), "count": str(count)}
    return Answer("trade", line=line, facts=facts, because="life: wares")


def _is_selling(asked: AskedLine) -> bool:
    """Whether somebody wants to sell to the speaker."""
    words = set(words_of(asked.text))
    if not words.isdisjoint(_SELL) and not words.isdisjoint(_OWN):
        return True
    if {"give", "me", "for"} <= words and not words.isdisjoint(("my", "this", "it")):
        return True
    pairs = set(pairwise(words_of(asked.text)))
    asks = ("you", "buy") in pairs or ({"you", "buy"} <= words and ("buy", "my") in pairs)
    return asks and asked.is_question and not {"can", "i"} <= words


def _sells(c: TalkContext, asked: AskedLine) -> bool:
    """Whether a line is about what the player sells to the speaker, and not about a ware."""
    is_of_ware = amount_in(asked.text) is None and ware_of(c, asked, is_talk=False) is not None
    return _is_selling(asked) or (goes_on_selling(c) and not is_of_ware)


def goes_on_selling(c: TalkContext) -> bool:
    """Whether the player was selling something to the speaker a moment ago, who deals in things, and was not asked for
    a ware since."""
    if not _deals(c):
        return False
    for place, exchange in reversed(list(enumerate(c.speaker.exchanges))[-_SELLING_LINES:]):
        for one in asked_in(exchange.heard, c.speaker.exchanges[:place], c.world, SALES):
            if _is_selling(one):
                return True
            is_of_ware = amount_in(one.text) is None and _called_in(one.text, c.speaker.life.wares) is not None
            if one.topic == "wares" or (one.topic == "price" and is_of_ware):
                return False
    return False


def _deals(c: TalkContext) -> bool:
    return not _DEALS.isdisjoint(words_of(c.speaker.role))


def _buying(c: TalkContext, asked: AskedLine) -> Answer:
    """Who deals in things pays a share of what the seller says they are worth, and goes up once; what changes hands is
    for the game to say, words move nothing."""
    if not _deals(c):
        return informed("not_buying", "sheet: role", {"role": c.speaker.role})
    named, bid = amount_in(c.text), _agreed(c) if goes_on_selling(c) else None
    why = f"sheet: role; standing {c.speaker.standing:.0f}"
    if {"buy", "back"} <= set(words_of(asked.text)):
        return informed("buy_back", why)
    if bid is None:
        if named is None:
            return informed("buying", why, {"role": c.speaker.role})
        share = _PAYS_FRIENDS if c.speaker.standing >= _FRIENDS_FROM else _PAYS
        return Answer("trade", line="buying_offer", facts={"price": dollars(max(1, named * share))}, because=why)
    return _bid_again(c, asked, bid, named, why)


def _bid_again(c: TalkContext, asked: AskedLine, bid: int, named: float | None, why: str) -> Answer:
    """What is said to the answer to a bid."""
    words = {folded(word) for word in words_of(asked.text)}
    if named is None:
        is_taken = asked.topic in ("agree", "buy") and _MORE.isdisjoint(words)
    else:
        is_taken = named < bid or (named == bid and "?" not in c.text)
    if is_taken:
        return Answer("trade", line="bought", facts={"price": dollars(min(bid, named or bid))}, because=why)
    is_raised = any("$" in one.said for one in c.speaker.exchanges[-_SELLING_LINES:-1])
    if named is None or is_raised or named > _ASKS_TOO_MUCH * bid:
        return Answer("trade", line="buying_last", facts={"price": dollars(bid)}, because=why)
    return Answer("trade", line="buying_more", facts={"price": dollars((bid + named) / 2)}, because=why)


_SELLING_LINES: Final = 8
"""Lines for which a sale to the speaker goes on."""
_MORE: Final = frozenset(("more", "higher", "mehr", "mas", "plus", "mais", "больше"))
_PAYS, _PAYS_FRIENDS = 1 / 3, 1 / 2
"""The share of its worth that a thing is bought for."""
_ASKS_TOO_MUCH: Final = 2.0
"""How many times the offer a seller may ask for, that it goes up at all."""
_SELL: Final = frozenset(("sell", "selling", "pawn"))
_OWN: Final = frozenset(("i", "i'm", "im", "my", "i'd", "we"))
_DEALS: Final = frozenset(("pawnbroker", "fixer", "broker", "smuggler", "dealer"))
"""Trades that buy what others bring."""


def haggle(c: TalkContext, asked: AskedLine) -> Answer:
    """Too much; I give you fifty; I pay the rest later."""
    if _sells(c, asked):
        return _buying(c, asked)
    found = ware_of(c, asked)
    if found is None:
        return _haggle_for_nothing(c)
    if len(_CREDIT.intersection(map(folded, words_of(asked.text)))) > 1:
        return Answer("trade", line="no_credit", because="rules: words move no money")
    if asked.is_question and _offer(asked.text, found) is None and _no_haggle(asked):
        return Answer("wonder", line="more_is_it", because="a question, and no offer")
    return _round(c, asked, found)


def _no_haggle(asked: AskedLine) -> bool:
    """Whether a question in the middle of a sale asks for no lower price: "does it come with a warranty?"."""
    words = {folded(word) for word in words_of(asked.text)}
    return words.isdisjoint(_HAGGLES) and words.isdisjoint(_CHEAP) and words.isdisjoint(_OF_MONEY)


def _round(c: TalkContext, asked: AskedLine, found: Ware) -> Answer:
    """One round of a haggle: it comes down a step towards the lowest price, friends get it at once."""
    rounds = _haggled(c, found) + 1
    offered = _offer(asked.text, found)
    asks, named = _asking_price(c, found, rounds), current_price(c, found)
    count = bought_in(asked.text)
    as_named = {"ware": name_of(c, found), "price": dollars(named * count), "ask": dollars(named * count)}
    facts = {
        "ware": name_of(c, found),
        "price": dollars(asks * count),
        "ask": dollars(asks * count),
        "offer": dollars((offered or 0) * count),
    }
    why = f"life: wares, {dollars(found.price)} down to {dollars(found.least)}, round {rounds} of {ROUNDS_MAX}"
    if offered is not None and offered >= found.price and "?" in asked.text:
        # "Almost five grand? I could buy a car for that": a price said back is no offer.
        return Answer("trade", line="haggle_no", facts=as_named, because=f"{why}; no offer")
    if offered is None and _is_protest(asked):
        return Answer("trade", line="haggle_no", facts=as_named, because=f"{why}; no offer")
    if offered is not None and (offered >= asks or (offered >= found.least and rounds >= 2)):
        taken = dollars(min(offered, named) * count)
        # Nobody pays more than was asked, and a price that is taken does not fall any more.
        return Answer("trade", line="haggle_deal", facts={**facts, "price": taken}, because=why)
    if rounds >= ROUNDS_MAX:
        line = "haggle_last"
    elif asks >= found.price:
        line = "haggle_no"
    else:
        line = "haggle_insult" if _is_insulting(offered, found) else "haggle_down"
    return Answer("trade", line=line, facts=facts, because=why)


def _is_protest(asked: AskedLine) -> bool:
    """Whether a line only says no: "I didn't agree to any deal"."""
    words = {folded(word) for word in words_of(asked.text)}
    return not words.isdisjoint(_NOTS) and words.isdisjoint(_HAGGLES)


def _haggle_for_nothing(c: TalkContext) -> Answer:
    """Money is spoken of, and not for what."""
    if c.speaker.job is not None:
        return job_haggle(c)
    if c.speaker.life.wares:
        return Answer("trade", line="haggle_which", because="life: wares; none was spoken of")
    line = "bribe_police" if c.is_police else "bribe"
    return Answer("inform", line=line, because="life: sells nothing")


def job_haggle(c: TalkContext) -> Answer:
    """Somebody wants more for a job: what it pays was fixed when it was offered."""
    job = c.speaker.job
    assert job is not None
    return informed("pay_fixed", "the offer: reward", {"reward": dollars(job.reward), "title": job.title})


def buy(c: TalkContext, asked: AskedLine) -> Answer | None:
    """I'll take it."""
    if _sells(c, asked):
        return _buying(c, asked)
    found = ware_of(c, asked)
    if found is None:
        if c.speaker.life.wares:
            told = listed(wares_in_words(c, c.speaker.life.wares[:_TOLD_MAX]))
            return Answer("trade", line="buy_what", facts={"wares": told}, because="life: wares")
        wanted = _wanted(asked)
        return shop(c, asked) if wanted else None
    if _offer(asked.text, found) is not None and count_in(asked.text) == 1:
        return haggle(c, asked)
    if _is_protest(asked):
        facts = {"ware": name_of(c, found), "price": dollars(current_price(c, found))}
        return Answer("trade", line="tell_price", facts=facts, because="life: wares")
    count, agreed = count_in(asked.text), _agreed(c)
    is_named = ware_of(c, asked, is_talk=False) is not None or count > 1
    is_lately = agreed is not None and any(dollars(agreed) in one.said for one in c.speaker.exchanges[-_LATELY:])
    takes = current_price(c, found) * count
    if agreed is not None and is_lately and not is_named and agreed >= found.least:
        takes = agreed
    facts = {"ware": name_of(c, found), "price": dollars(takes), "count": str(count)}
    return Answer("trade", line="sold", facts=facts, because="life: wares")


def shop(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Where can I buy it: the nearest person who sells it, else the nearest district where it is sold."""
    if not _HEALS.isdisjoint(words_of(asked.text)):
        return _doctor(c, asked)
    wanted = _wanted(asked)
    if not wanted:
        return None
    own = offered(c, asked)
    if own is not None:
        return own
    found = seller_of(c, wanted)
    if found is None:
        return None
    return informed("tell_shop" if "who" in found else "tell_shop_place", "lives and places: what is sold", found)


def _doctor(c: TalkContext, asked: AskedLine) -> Answer | None:
    """Who treats wounds, and where they are now."""
    facts = doctor_now(c)
    if facts is None:
        return wares(c, asked) if c.speaker.life.wares else None
    return informed("doctor_at", "whereabouts: who treats wounds", facts)


def doctor_now(c: TalkContext) -> dict[str, str] | None:
    """Somebody else who treats wounds, and where they are, as facts to be told; None where nobody is known."""
    doctor = next((one for one in c.world.npcs.values() if "doctor" in one.role and one.id != c.speaker.id), None)
    where = c.where(doctor.id) if doctor is not None else None
    district = c.world.districts.get(where.district) if where is not None else None
    if doctor is None or where is None or district is None:
        return None
    return {"who": doctor.name, "where": district.name, "spot": where.spot}


def seller_of(c: TalkContext, wanted: frozenset[str]) -> dict[str, str] | None:
    """Who sells something, or where it is sold, the nearest first, as facts to be told."""
    near = _by_distance(c)
    sellers = []
    for id_, life in c.world.lives.items():
        sheet = c.world.npcs.get(id_)
        if sheet is None or id_ == c.speaker.id:
            continue
        for ware in life.wares:
            fit = len(wanted & _head(ware.name))
            if fit:
                sellers.append((-fit, near.get(sheet.home, 1e9), id_, ware))
    if sellers:
        _, _, id_, ware = min(sellers, key=lambda one: one[:3])
        where = c.where(id_)
        district = c.world.districts.get(where.district if where is not None else c.world.npcs[id_].home)
        return {
            "who": c.world.npcs[id_].name,
            "ware": name_of(c, ware),
            "price": dollars(ware.price),
            "where": district.name if district is not None else "",
            "spot": where.spot if where is not None else "",
        }
    places = [
        (-len(wanted & stems_of(name)), near.get(place.id, 1e9), place.id, name)
        for place in c.world.places.values()
        for name in place.sold
        if wanted & stems_of(name) and place.id in c.world.districts
    ]
    if not places:
        return None
    _, _, id_, name = min(places)
    return {"ware": name, "where": c.world.districts[id_].name}


_NO_WARE: Final = frozenset(map(stem, listed_words("no_ware")))


@lru_cache(maxsize=1024)
def _called_of(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*map(stems_of, names)) - _NO_WARE


def _called(ware: Ware) -> frozenset[str]:
    """The stems of what a ware is called, in any language."""
    return _called_of((ware.name, *ware.names.values()))


_BEYOND: Final = re.compile(r",| that | with | and | for | of | in | to | from | on ")


def _head(name: str) -> frozenset[str]:
    """The stems of what a ware is, without what is further said of it."""
    parts = _BEYOND.split(name)
    head = parts[1] if len(parts) > 1 and len(words_of(parts[0])) < 3 and " of " in name else parts[0]
    return stems_of(head)


def ware_of(c: TalkContext, asked: AskedLine, *, is_talk: bool = True) -> Ware | None:
    """The ware a sentence is about: by its words, else the one spoken of last, else the only one there is."""
    mine = c.speaker.life.wares
    named = _called_in(asked.text, mine)
    if named is None and mine and not _CHEAP.isdisjoint(map(folded, words_of(asked.text))):
        named = min(mine, key=lambda one: one.price)
    if named is not None or not is_talk:
        return named
    return _called_in(c.text, mine) or _spoken_of_last(c, mine) or (mine[0] if len(mine) == 1 else None)


def _called_in(text: str, mine: Sequence[Ware]) -> Ware | None:
    """The ware that most words of a text call; of several the first one."""
    words = frozenset(map(stem, map(folded, words_of(text)))) - _NO_WARE
    # What it is counts more than what is further said of it: "two jars of the apple".
    best = max(
        mine, key=lambda one: (len(words & _called(one)) + len(words & _head(one.name)), -mine.index(one)), default=None
    )
    return best if best is not None and words & _called(best) else None


def _spoken_of_last(c: TalkContext, mine: Sequence[Ware]) -> Ware | None:
    """The ware that the player asked for last, or that alone was told of."""
    for exchange in reversed(c.speaker.exchanges):
        asked_for = _called_in(exchange.heard, mine)
        if asked_for is not None:
            return asked_for
        said = frozenset(map(stem, words_of(exchange.said))) - _NO_WARE
        named = [one for one in mine if _is_named(stems_of(name_of(c, one)), said)]
        if len(named) == 1:
            return named[0]
    return None


def _is_named(name: frozenset[str], said: frozenset[str]) -> bool:
    """Whether at least half of the words of a ware's name were said."""
    return len(name & said) >= max(1, len(name) // 2)


def current_price(c: TalkContext, ware: Ware) -> int:
    """What the speaker asks now: what was agreed on a moment ago, else what the haggle has come to."""
    agreed = _agreed(c)
    if agreed is not None and ware.least <= agreed <= ware.price:
        return agreed
    return _asking_price(c, ware, _haggled(c, ware))


def _asking_price(c: TalkContext, ware: Ware, rounds: int) -> int:
    """Down from the price to the lowest in ROUNDS_MAX − 1 steps; greed holds the first one back."""
    if c.speaker.standing >= _FRIENDS_FROM and rounds:
        return ware.least
    greedy = c.speaker.traits.get("greed", 50) >= 75
    steps = max(0, min(ROUNDS_MAX - 1, rounds - (1 if greedy else 0)))
    return round(ware.price - (ware.price - ware.least) * steps / (ROUNDS_MAX - 1))


def _haggled(c: TalkContext, ware: Ware) -> int:
    """The rounds about a ware so far."""
    rounds, of = 0, None
    if goes_on_selling(c):
        return 0
    for place, exchange in enumerate(c.speaker.exchanges):
        for one in asked_in(exchange.heard, c.speaker.exchanges[:place], c.world, SALES):
            of = None if _is_selling(one) else _called_in(one.text, c.speaker.life.wares) or of
            rounds += one.topic == "haggle" and of in (None, ware)
    return rounds


_DEAL: Final = re.compile(r"\$(\d+(?:,\d{3})*)")


def _agreed(c: TalkContext) -> int | None:
    """The last amount the speaker named."""
    for exchange in reversed(c.speaker.exchanges):
        amounts = _DEAL.findall(exchange.said)
        if amounts:
            return int(amounts[-1].replace(",", "")) if len(set(amounts)) == 1 else None
    return None


def _offer(text: str, ware: Ware) -> float | None:
    """How much a player offers for one of several: "sixty for two"."""
    share, amount = share_in(text), amount_in(text)
    return ware.price * share if share is not None else None if amount is None else amount / bought_in(text)


def _is_insulting(offered: float | None, ware: Ware) -> bool:
    return offered is not None and offered < 0.4 * ware.least


def _wanted(asked: AskedLine) -> frozenset[str]:
    """The stems of what somebody wants to buy: the ware that is named, else what anybody may want."""
    words = frozenset(_SAME.get(word, word) for word in map(stem, words_of(asked.text)))
    named = [stems_of(one.id) for one in asked.named if one.what == "ware"]
    if named:
        return frozenset().union(*named) & words or named[0]
    return words & _GOODS


_SAME: Final = {
    stem(word): stem(to)
    for word, to in (("fix", "repairs"), ("fixed", "repairs"), ("mend", "repairs"), ("eat", "food"))
}
_FOODLIKE: Final = frozenset(map(stem, listed_words("foodlike")))
_OF_MONEY: Final = listed_words("of_money")
_CREDIT: Final = listed_words("credit")
_CHEAP, _NOTS, _HAGGLES, _UNDER, _HEALS = map(listed_words, ("cheap", "nots", "haggles", "under", "heals"))
_GOODS: Final = frozenset(map(stem, listed_words("goods")))


def _by_distance(c: TalkContext) -> Mapping[str, float]:
    return distances_m(c.world, c.speaker.place or c.speaker.home)
