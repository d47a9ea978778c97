"""Where a text names somebody: folded comparison in every script, and a name that is a word only where it can be one.

José is Jose, İbrahim is ibrahim, and 张伟明 is found between other letters, because its script has no blanks. Who is
called Will is found in "I saw Will" and not in "I will". Cheap and deterministic: a journal folds by it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from ganggpt.domain.language.thesaurus import known_stems
from ganggpt.domain.language.words import common_words, stem

LENGTH_MIN: Final = 3
"""A shorter name is a word like any other, and is not looked for; where there are no blanks, two letters are enough."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NO_BLANKS: Final = (
    r"\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Scripts without blanks between words, and Korean, which puts endings on names."""
_no_blanks: Final = re.compile(f"[{_NO_BLANKS}]").match
_LETTER: Final = rf"[^\W{_NO_BLANKS}]"
"""A letter that is part of the same word as its neighbour."""
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe2f"
    "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
"""Accents and signs nobody sees. Vowels of Thai, and what makes ガ of カ, are none."""
_ALIKE: Final = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ς": "σ"})
_FOLDED_UNTIL: Final = 0x1F000
"""Beyond are pictures and rare Chinese, which fold into themselves."""

_GIVEN_NAMES: Final = _set(
    """
    ace amber angel april archer art ash august autumn bear blaze bob bond brook buck bud cash chance chase chip chuck
    cliff clay cole cookie crystal dawn dean destiny dick dot drew duke earl east eve faith fox frank gene ginger glen
    grace grant guy harmony harry haven hawk hazel heath heather heaven herb holly honey hope hunter iris ivy jack jade
    jasmine jay jean jet jewel john josh joy june justice king lance lane lily lucky mark marina mark mason max may
    melody mercy miles misty mike nick norm olive page pat patience pearl penny pepper peter pierce pip poppy prince
    queen raven ray red reed reef rex rich river rob robin rocky rod rose royal ruby rusty sage sandy saint scarlet
    serenity shadow shane skip sky snow sol sonny spike star sterling stone storm sue sunny summer tanner taylor terry
    tiger tony trinity trip troy tucker violet wade warden warren west will willow winter wolf woody young
    """
)
_OF_OTHER_LANGUAGES: Final = _set(
    """
    aber alle als auch auf aus bei bin das dann der die das ein eine einen hat ich ist ja kein kommen man mit nach nein
    nicht noch nun nur oder sein sie sind und uns von war was wer wie wir wird zum zur
    amor bien bueno casa claro cielo como con cuando del dia donde dos ella ellos este esta fue gracias hay hola ir las
    luna los luz mar mas mucho muy nada noche nos otro para paz pero poco por porque que quien rey sin sobre sol son sus
    tiempo todo una uno vida voy
    alors au avec belle bon ce cette ceux chez ciel comme dans des deux elle elles est fait fleur homme ici il ils je
    les leur mais mer merci mes moi mon mot ne non nous nuit ou oui par pas pierre peu plus pour quand rien sans ses
    sont sous sur tes tout tous une vie vos votre vous
    che chi ciao come con cosa della delle dei due fare gli grande hai ho io lei loro lui mai mare mio molto nel nero
    nome notte ogni poi quando quello questo sei sempre sera si siamo sole solo sono sta stella tutto una vento vita
    ama bir bu bunu deniz gece ve yok var umut barış savaş
    och att det den som inte jag har med till
    não sim uma você está muito bem noite dia
    dla jak jest nie tak się ten
    вера любовь надежда роман как так что это для она они был мир слава
    """
)
_TITLES: Final = _set(
    """
    mr mrs ms miss dr sir lady don doña herr frau señor señora monsieur madame big little old young uncle aunt
    officer captain brother sister boss chief and or with from to
    """
)
_DETERMINERS: Final = _set(
    """
    a an the my your his her its our their this that these those some any no each every another one two three der
    die das den dem ein eine einen einem mein dein el la los las un una mi tu su le les une mon ton son il lo
    """
)
_GREETINGS: Final = _set(
    """
    hey hi hello yo dear thanks bye goodbye morning evening hola hallo ciao salut bonjour oi olá merhaba selam
    привет tschüss danke gracias merci 你好 안녕
    """
)
_CALLED: Final = re.compile(
    r"(?:\b(?:called|named|nicknamed|call (?:me|him|her|them|you|yourself)|names? (?:is|was|be)|name's|go(?:es)? by|aka"
    r"|i'?m|i am|heiß[et]|heiss[et]|namens|genannt|ich bin|llam[oa]|llamad[oa]|soy|m'appelle|s'appelle|appelée?|nommée?"
    r"|je suis|chiam[oa]|chamad?[oa]|sou|heter|hedder|nazywa (?:się|sie)|adı[mn]?|adlı|зовут|звать|имени|имя|اسمي|اسمه)"
    r"[\s:]*[\"'“”«»„]?"
    r"|(?:叫|名叫|叫做|我是|名字是|名前は|이름은)\s*[\"'“”「『]?)$"
)
_STARTS: Final = re.compile(r"(?:^|[.!?…:;\n\r。！？])[\s\"'“”‘’«»„(\[*_~-]*$")
_LAST_WORD: Final = re.compile(r"([\w'’]+)[\s\"'“”‘’«»„(]*$")
_NEXT_WORD: Final = re.compile(r"[\s\"'”’»)]*([\w'’]+)")
_ENDS: Final = re.compile(r"\s*(?:[,.!?…;:—\n\"”»。！？，]|$)")
_OF_THEIRS: Final = re.compile(r"['’]s\b")
_DOES: Final = _set(
    """
    is was has had isn't wasn't hasn't says said does did didn't doesn't wants wanted knows knew never always tells
    gives takes owes goes comes keeps makes lives works likes hates loves can't cannot won't will would could should
    must ist hat war es era tiene est a è ha gave stole shot met took brought bought sold fought ran saw drove lost
    paid broke went told spoke threw hid wrote kept left held led sent slept stood thought won built caught chose
    came drank fell fled forgot got heard hurt
    """
)
"""What follows on who is spoken of, and seldom on a verb or an auxiliary that a sentence begins with."""
_AROUND: Final = 160
"""How many letters around a word say whether it is a name."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


@lru_cache(maxsize=8192)
def _of_letter(letter: str) -> str:
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", letter)).casefold()
    key = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", bare)).translate(_ALIKE))
    # ™ is no tm: only a letter is written for several letters.
    return key if len(key) < 2 or letter.isalpha() else letter


def folded_name(text: str) -> str:
    """What is alike in all spellings of a name: without accents, capitals, and signs nobody sees."""
    return "".join(map(_of_letter, unicodedata.normalize("NFC", text)))


def is_sought(name: str) -> bool:
    """Whether a name is long enough to be looked for in texts."""
    key = folded_name(name).strip()
    return len(key) >= LENGTH_MIN or (len(key) == LENGTH_MIN - 1 and all(map(_no_blanks, key)))


def is_word(name: str, others: frozenset[str] = frozenset()) -> bool:
    """Whether every part of a name is a word of some language as well. ``others``: words in small letters."""
    parts = _WORD.findall(folded_name(name))
    return bool(parts) and all(part in _lexicon() or stem(part) in _stems() or part in others for part in parts)


@lru_cache(maxsize=1)
def _lexicon() -> frozenset[str]:
    known = common_words() | _GIVEN_NAMES | _OF_OTHER_LANGUAGES | _DETERMINERS | _GREETINGS | _TITLES
    return frozenset(map(folded_name, known))


@lru_cache(maxsize=1)
def _stems() -> frozenset[str]:
    return known_stems().union(map(stem, _lexicon()))


def _squeezed(key: str) -> str:
    return "".join(key.split())


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    keys = {folded_name(name).strip() for name in names if is_sought(name)}
    if not keys:
        return None
    return re.compile("|".join(map(_of_key, sorted(keys, key=lambda key: (-len(key), key)))))


def _of_key(key: str) -> str:
    blank = r"\s*" if all(map(_no_blanks, _squeezed(key))) else r"\s+"
    middle = blank.join(map(re.escape, key.split()))
    before = "" if _no_blanks(key[0]) else f"(?<!{_LETTER})"
    after = "" if _no_blanks(key[-1]) else f"(?!{_LETTER})"
    return f"{before}{middle}{after}"


@lru_cache(maxsize=64)
def _keys(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_squeezed(folded_name(name)) for name in names)


def is_named(text: str, names: tuple[str, ...], words: tuple[str, ...] = ()) -> bool:
    """Whether a text has one of the names in it. ``words``: which of the names are words."""
    return next(_found(unicodedata.normalize("NFC", text), names, words), None) is not None


def is_name(text: str, names: tuple[str, ...]) -> bool:
    """Whether a text is one of the names, and nothing else."""
    return any(map(is_sought, names)) and _squeezed(folded_name(text)) in _keys(tuple(filter(is_sought, names)))


def unnamed(text: str, names: tuple[str, ...], words: tuple[str, ...], instead: str) -> str:
    """A text with ``instead`` where the names were; the same object where they were not."""
    while found := list(_found(composed := unicodedata.normalize("NFC", text), names, words)):
        parts, done = [], 0
        for start, end in found:
            parts += [composed[done:start], instead]
            done = end
        text = "".join((*parts, composed[done:]))
    return text


def _found(text: str, names: tuple[str, ...], words: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the names are in a text of composed letters."""
    pattern = _pattern(names)
    if pattern is None:
        return
    places: Sequence[int]
    if text.isascii():
        key, places = text.lower(), range(len(text))
    else:
        folded = [(each, at) for at, letter in enumerate(text) for each in _of_letter(letter)]
        key, places = "".join(each for each, _ in folded), [at for _, at in folded]
    for match in pattern.finditer(key):
        start, end = match.span()
        first, last = places[start], places[end - 1]
        if (start and places[start - 1] == first) or (end < len(key) and places[end] == last):
            continue  # in the middle of one letter, such as ﬁ
        last += 1
        while last < len(text) and not _of_letter(text[last]):
            last += 1
        if _squeezed(match.group()) not in _keys(words) or _can_be_name(text, first, last):
            yield first, last


def _can_be_name(text: str, start: int, end: int) -> bool:
    """Whether a word that is a name too can be one there."""
    before, seen, after = text[max(0, start - _AROUND) : start], text[start:end], text[end : end + _AROUND]
    if before.endswith("@") or _CALLED.search(before.replace("’", "'").lower()):
        return True
    found = _LAST_WORD.search(before)
    begins = _STARTS.search(before) is not None
    if found and not begins and _ENDS.match(after) and found.group(1).casefold() in _GREETINGS:
        return True
    if not seen[0].isupper() or (len(seen) > 1 and seen.isupper()):
        return False  # all in capitals is emphasis
    if begins:
        return _begins_as_name(before, after)
    # Where no word comes right before it, a comma or a bracket does.
    return found is None or not (_leads_on(found.group(1), before[: found.start(1)]) or _is_title(before, after))


def _leads_on(last: str, before: str) -> bool:
    """Whether a word before a capital makes it a thing: "the Will", "a Silver Watch"."""
    if last.casefold() in _DETERMINERS:
        return True
    return last[:1].isupper() and last != "I" and last.casefold() not in _TITLES and not _STARTS.search(before)


def _begins_as_name(before: str, after: str) -> bool:
    if _OF_THEIRS.match(after):
        return True
    if (ends := _ENDS.match(after)) is not None:
        return after[ends.start() :].lstrip()[:1] == "," or not before.strip()
    following = _NEXT_WORD.match(after)
    word = following.group(1).replace("’", "'").casefold() if following else ""
    return word in _DOES or (word.endswith("ed") and not word.endswith("eed") and len(word) > 3)


def _is_title(before: str, after: str) -> bool:
    """Whether every longer word around begins with a capital, as in the name of a thing or the title of a mission."""
    if after.rstrip().endswith((".", "!", "?")):
        return False
    others = [word for word in _WORD.findall(f"{before} {after}") if len(word) >= LENGTH_MIN]
    return bool(others) and all(word[0].isupper() for word in others)


# ------------------------------------------------------------------------------------------------- a search of bytes


@lru_cache(maxsize=1)
def _written_as() -> dict[str, tuple[str, ...]]:
    """The other ways to write each letter, and each group of letters that are written as one (ß for ss)."""
    found: dict[str, list[str]] = {}
    for code in range(_FOLDED_UNTIL):
        letter = chr(code)
        if not "\ud800" <= letter <= "\udfff" and (key := _of_letter(letter)) not in (letter, ""):
            found.setdefault(key, []).append(letter)
    return {key: tuple(letters) for key, letters in found.items()}


def search_of(names: Iterable[str]) -> str | None:
    """A regular expression of Postgres that finds every spelling of the names, and more, in UTF-8 as its
    ``encode(…, 'escape')`` writes it; None where no name is looked for. It never misses what ``is_named`` finds."""
    keys = sorted({folded_name(name).strip() for name in names if is_sought(name)})
    return "|".join(f"(?:{_any_spelling(key)})" for key in keys) or None


_SKIPPED: Final = r"(?:\\3(?:14|15|22|26|27|30|31|41|42|57)(?:\\2[0-7][0-7])+|\\302\\255)*"
"""Marks and signs nobody sees, and more."""
_BLANKS: Final = r"(?:[\s\\ntr]|\\[23][0-7][0-7])*"


def _any_spelling(key: str) -> str:
    as_one = [each for each in _written_as() if len(each) > 1 and each in key]
    parts = []
    for at, letter in enumerate(key):
        if letter.isspace():
            parts.append(_BLANKS)
            continue
        ways = {letter, unicodedata.normalize("NFD", letter), *_written_as().get(letter, ())}
        ways.update(*(_written_as()[each] for each in as_one if key.startswith(each, at)))
        inside = any(key.startswith(each, at - n) for each in as_one for n in range(1, min(at, len(each) - 1) + 1))
        either = "|".join(sorted(map(_escaped, ways)))
        parts.append(f"(?:{either}){'?' if inside else ''}{_SKIPPED}")
    return "".join(parts)


def _escaped(written: str) -> str:
    return "".join(_escaped_byte(byte) for byte in written.encode())


def _escaped_byte(byte: int) -> str:
    if byte > 127:
        return rf"\\{byte:03o}"
    return r"\\\\" if chr(byte) == "\\" else re.escape(chr(byte))
