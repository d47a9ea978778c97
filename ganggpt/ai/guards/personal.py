"""Personal data in a text, found by form and check sum, with the words that replace it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final, NamedTuple


class Personal(NamedTuple):
    """One kind of personal data: its name, its pattern, what is said instead, and a check whether a match is real."""

    rule: str
    looks: re.Pattern[str]
    instead: str
    is_real: Callable[[str], bool] = lambda _: True


def _luhn(number: str) -> bool:
    digits = [int(char) for char in number if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) if at % 2 else digit for at, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _iban(text: str) -> bool:
    bare = re.sub(r"\s", "", text).upper()
    turned = bare[4:] + bare[:4]
    return 15 <= len(bare) <= 34 and int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _ip(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


def _phone(text: str) -> bool:
    """Long enough to ring somewhere, and not one of the 555 numbers that are kept for fiction."""
    digits = re.sub(r"\D", "", text)
    return 7 <= len(digits) <= 15 and not re.search(r"(?:^|[^0-9])555(?:[^0-9]|$)", text) and "55501" not in digits


_STREETS: Final = (
    r"(?:street|st\.?|avenue|ave\.?|road|rd\.?|boulevard|blvd\.?|lane|ln\.?|drive|dr\.?|court|ct\.?|terrace|place|way|"
    r"square|highway|parkway)"
)
_TLDS: Final = r"(?:com|net|org|edu|gov|io|de|fr|es|it|uk|co|ru|pl|br|eu|info|me|us|ca|tv|gg)"

PERSONAL: Final[tuple[Personal, ...]] = (
    Personal(
        "email",
        re.compile(
            rf"(?<![\w.+-])[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{{2,}}"
            rf"|(?<![\w.+-])[\w.+-]+\s*[\[(]?\s*\bat\b\s*[\])]?\s*[\w-]+\s*[\[(]?\s*\bdot\b\s*[\])]?\s*{_TLDS}\b",
            re.IGNORECASE,
        ),
        "the usual address",
    ),
    Personal("link", re.compile(r"\b(?:https?://|www\.)\S+|\bdiscord\.gg/\S+", re.IGNORECASE), "the usual place"),
    Personal("card", re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])"), "a number nobody needs", _luhn),
    Personal("iban", re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,3})?\b"), "an account", _iban),
    Personal("id_number", re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), "a number nobody needs"),
    Personal("ip", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]|\s?m\b)"), "some machine", _ip),
    Personal(
        "ip",
        re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){3,7}(?::?[0-9A-Fa-f]{1,4}){1,4}(?![\w:])"),
        "some machine",
        _ip,
    ),
    Personal(
        "phone",
        re.compile(
            r"(?<![\w$.,+-])(?:\+\d{1,3}[\s.-]?(?:\(?\d{1,5}\)?[\s.-]?){2,5}\d{2,}"
            r"|\(\d{3}\)\s?\d{3}[\s.-]\d{4}|\d{3}[.\s-]\d{3}[.\s-]\d{4}|0\d{2,4}[\s/-]\d{3,4}[\s-]?\d{3,5})(?![\w.,-]?\d)"
        ),
        "the number you have",
        _phone,
    ),
    Personal(
        "address",
        re.compile(
            rf"\b\d{{1,5}}[a-z]?\s(?:[A-Z][\w'.]*\s){{1,4}}(?i:{_STREETS})(?:,?\s(?i:apt|apartment|unit|suite|#)\.?\s?\w+)?"
            rf",\s?(?:[A-Z][\w'.]*\s?){{1,3}}(?:,\s?[A-Z]{{2}}\b)?(?:\s\d{{4,5}}(?:-\d{{4}})?)?"
            rf"|\b[A-ZÄÖÜ][\wäöüß.]{{1,40}}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse)\s\d{{1,4}}[a-z]?,?\s(?:D-)?\d{{5}}\s[A-ZÄÖÜ]\w+"
            rf"|\b\d{{1,4}},?\s(?i:rue|avenue|boulevard|place)\s[\w' ]{{3,40}},?\s\d{{5}}\s[A-Z]\w+"
            rf"|(?i:home address|lives? at|residence)(?i: is|:)?\s\d{{1,5}}\s[^.!?]{{3,60}}?\b(?i:{_STREETS})\b",
        ),
        "where you know",
    ),
)
