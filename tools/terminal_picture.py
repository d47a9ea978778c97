"""Makes an SVG picture of what a command printed on a terminal: ``python -m tools.terminal_picture FILE SVG TITLE``.

``FILE`` is what ``script`` recorded, with its colours. The picture of the README was made so, and shortened by hand::

    script -qec "stty cols 112; .venv/bin/ganggpt demo" demo.txt
    python -m tools.terminal_picture demo.txt docs/images/demo.svg "make demo"
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

_THEME: Final = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)
_WIDTH, _HEIGHT = 8.4, 20
"""Of one character, in pixels."""
_MARGIN, _TOP = 16, 44
_CONTROL: Final = re.compile(r"\x1b\[(?:\?[0-9]+[a-z]|[0-9]*[A-HJK])|\r")


def picture(recorded: str, title: str) -> str:
    """The SVG of what was recorded."""
    lines = [Text.from_ansi(line) for line in _CONTROL.sub("", recorded).rstrip().split("\n")]
    width = round(max(cell_len(line.plain.rstrip()) for line in lines) * _WIDTH + 2 * _MARGIN)
    height = len(lines) * _HEIGHT + _TOP + _MARGIN
    buttons = "".join(
        f'<circle cx="{20 + 20 * n}" cy="20" r="6" fill="{fill}"/>'
        for n, fill in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    shown = "\n".join(part for n, line in enumerate(lines) for part in _line(line, _TOP + (n + 1) * _HEIGHT - 5))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="14" '
        f"font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\">\n"
        f'<title>{escape(title)}</title>\n<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n{buttons}\n'
        f'<text x="{width / 2:g}" y="25" fill="#8b949e" text-anchor="middle">{escape(title)}</text>\n{shown}\n</svg>\n'
    )


def _line(line: Text, y: int) -> Iterator[str]:
    """One text for each run of one style without gaps, so that every column stays where it is, whatever the font."""
    at = 0
    for segment in line.render(Console(width=10_000)):
        for part in re.findall(r"\S+(?: \S+)*|\s+", segment.text.rstrip("\n")):
            cells = cell_len(part)
            if part.strip():
                x, long = _MARGIN + at * _WIDTH, cells * _WIDTH
                where = f'x="{x:.1f}" y="{y}" textLength="{long:.1f}"'
                yield f"<text {where}{_look(segment.style)}>{escape(part)}</text>"
            at += cells


def _look(style: Style | None) -> str:
    style = style or Style()
    colour = style.color.get_truecolor(_THEME) if style.color else _THEME.foreground_color
    look = f' fill="{colour.hex}"'
    look += ' font-weight="bold"' if style.bold else ""
    look += ' font-style="italic"' if style.italic else ""
    return look + (' opacity="0.65"' if style.dim else "")


def main() -> None:
    """Read the recording, write the picture."""
    source, target, title = sys.argv[1:]
    Path(target).write_text(picture(Path(source).read_text(encoding="utf-8"), title), encoding="utf-8")


if __name__ == "__main__":
    main()
