"""Letters of other alphabets that look like Latin ones, and how a name looks to the eye."""

from __future__ import annotations

import unicodedata
from typing import Final


def _pairs(look_alikes: str, letters: str) -> dict[int, str]:
    return dict(zip(map(ord, look_alikes), letters, strict=True))


LOOK_ALIKES: Final[dict[int, str]] = {
    **_pairs("аԁеһіјӏкӎорԛѕтԝхуўγνзьгѵпԍ", "adehijlkmopqstwxyyyv3brvng"),
    **_pairs("АВЕНІЈКМОРԚЅТԜХУЗЬГ", "ABEHIJKMOPQSTWXY3bF"),
    **_pairs("αβειηκορτυχωσςμθ", "abeinkoptuxwssu0"),
    **_pairs("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
    **_pairs("ᴀʙᴄᴅᴇғɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz"),
    **_pairs("ɑɡɩıɪƖℓօսհոցցք", "agiiiilouhnggp"),
    **{0x1F1E6 + at: chr(97 + at) for at in range(26)},
    **{start + at: chr(97 + at) for start in (0x1F150, 0x1F170) for at in range(26)},
}
"""By code point, the Latin letter it is taken for."""
_UNSEEN: Final = frozenset(("Cf", "Mn", "Me", "Zl", "Zp"))


def as_seen(name: str) -> str:
    """A key that is the same for names that look the same: no capitals, blanks and signs nobody sees, look-alike
    letters as Latin ones. Accents are seen, so José is not Jose."""
    composed = unicodedata.normalize("NFKC", name).translate(LOOK_ALIKES)
    seen = "".join(letter for letter in composed if unicodedata.category(letter) not in _UNSEEN)
    return "".join(seen.casefold().split())
