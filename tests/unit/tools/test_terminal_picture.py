"""A picture of a terminal shows what was printed, where it was printed."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tools.terminal_picture import picture


def test_texts_keep_their_column_and_their_colour() -> None:
    svg = picture("\x1b[?25l\x1b[1mMara\x1b[0m  says <hello>\r\n\x1b[32mdone\x1b[0m\n", "make demo")
    texts = [element for element in ElementTree.fromstring(svg) if element.tag.endswith("}text")]
    assert [text.text for text in texts] == ["make demo", "Mara", "says <hello>", "done"]
    _, mara, says, done = texts
    assert mara.get("font-weight") == "bold"
    assert says.get("y") == mara.get("y") != done.get("y")
    assert float(says.get("x", 0)) - float(mara.get("x", 0)) == 6 * 8.4
    assert done.get("fill") != says.get("fill")


def test_control_sequences_are_no_text() -> None:
    assert re.search(r"\x1b|\[\?25", picture("\x1b[2K\x1b[1A\x1b[?25hready\n", "up")) is None
