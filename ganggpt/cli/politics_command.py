"""``politics``: the simulated politics of the factions of a world, as a table over time."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ganggpt.cli.screen import screen
from ganggpt.demo.politics_map import MapSample, Theatre
from ganggpt.domain.world import World
from ganggpt.errors import InvalidInput

TURNS_MAX: Final = 1_000_000
SAMPLES_MAX: Final = 200
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 96
_CURVE: Final = 8
_BAND: Final = 20


def run_politics(world: World, turns: int, seed: int, samples: int, svg: Path | None) -> None:
    """Play ``turns`` political turns and show the map over time. Raises InvalidInput."""
    if not 1 <= turns <= TURNS_MAX:
        raise InvalidInput("--turns", f"1 to {TURNS_MAX}")
    if not 1 <= samples <= min(SAMPLES_MAX, turns):
        raise InvalidInput("--samples", f"1 to {min(SAMPLES_MAX, turns)}")
    if not world.factions:
        raise InvalidInput("--world", "this world has no factions")
    seen = history(world, turns, seed, samples)
    if screen.as_json:
        for sample in seen:
            screen.json_line(msgspec.to_builtins(sample))
    picture = drawn(world, seen, seed)
    if not screen.as_json:
        screen.show(picture)
    if svg is not None:
        console = Console(record=True, width=_WIDTH, file=io.StringIO())
        console.print(picture)
        svg.write_text(console.export_svg(title=f"{world.title}, seed {seed}"), encoding="utf-8")
    if screen.as_json:
        screen.json_line({"seed": seed, "distribution": distribution(seen), "moves": seen[-1].moves})


def history(world: World, turns: int, seed: int, samples: int) -> list[MapSample]:
    """The map at the start and after every part of the turns."""
    theatre = Theatre(world, seed)
    seen = [theatre.sample()]
    for part in range(samples):
        theatre.play(turns * (part + 1) // samples - theatre.turns)
        seen.append(theatre.sample())
    return seen


def distribution(seen: Sequence[MapSample]) -> dict[str, int]:
    """How many relations of all samples lie in each band of 20 points, by the lower end of the band."""
    bands = Counter(int(value // _BAND) * _BAND for sample in seen for value in sample.relations.values())
    return {str(band): bands[band] for band in sorted(bands)}


def drawn(world: World, seen: Sequence[MapSample], seed: int) -> RenderableType:
    """A heat table of the current relations, numbers over time, moves, and the distribution of relations."""
    last = seen[-1]
    title = f"{world.title}\n{last.turn:,} political turns, {last.hours:,.0f} hours, seed {seed}"
    return Group(Text(title, style="bold"), _heat(last), _numbers(seen), _moves(last.moves), _bands(distribution(seen)))


def _heat(sample: MapSample) -> Table:
    names = sorted(sample.treasury)
    table = _table("what the row thinks of the column (⚔ at war, ⚭ in a pact)")
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name[:4], justify="right", no_wrap=True)
    for one in names:
        table.add_row(one[:16], *(_cell(sample, one, other) for other in names))
    return table


def _table(title: str) -> Table:
    """A table without lines, so that eleven factions fit into 80 columns."""
    return Table(title=f"\n{title}", title_justify="left", title_style="italic", box=None, padding=(0, 1, 0, 0))


def _cell(sample: MapSample, one: str, other: str) -> Text:
    value = sample.relations.get(f"{one}>{other}")
    if value is None:
        return Text("·", style="dim")
    sign = "⚔" if f"{one}>{other}" in sample.wars else "⚭" if f"{one}>{other}" in sample.pacts else ""
    strength = min(255, 60 + int(abs(value) * 1.8))
    colour = f"rgb({strength},40,40)" if value < 0 else f"rgb(30,{min(200, strength)},60)"
    return Text(f"{value:.0f}{sign}", style=f"white on {colour}")


def _numbers(seen: Sequence[MapSample]) -> Table:
    table = _table("over time, from the least to the most")
    for name in ("", "treasury", "$", "strength", "", "influence", "", "districts", ""):
        table.add_column(name, justify="left" if len(name) > 1 else "right", no_wrap=True)
    for name in sorted(seen[0].treasury):
        table.add_row(
            name[:16],
            *_line([sample.treasury[name] for sample in seen]),
            *_line([sample.strength[name] for sample in seen]),
            *_line([sample.influence[name] for sample in seen]),
            *_line([len(sample.territories[name]) for sample in seen]),
        )
    return table


def _line(values: Sequence[float]) -> tuple[str, str]:
    """A small curve of at most _CURVE points, and the last value."""
    points = (
        [values[place * (len(values) - 1) // (_CURVE - 1)] for place in range(_CURVE)] if len(values) > 1 else values
    )
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    curve = "".join(_BLOCKS[min(7, int((value - low) / span * 8))] for value in points)
    return curve, f"{values[-1]:,.0f}"


def _moves(moves: Mapping[str, int]) -> Table:
    return _bars("moves", [(name, count) for name, count in sorted(moves.items(), key=lambda item: -item[1])])


def _bands(bands: Mapping[str, int]) -> Table:
    named = [(f"{band} to {int(band) + _BAND}", count) for band, count in bands.items()]
    return _bars("all relations of all samples", named)


def _bars(title: str, rows: Sequence[tuple[str, int]]) -> Table:
    table = _table(title)
    most = max((count for _, count in rows), default=1)
    for _ in range(2):
        table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, count in rows:
        table.add_row(name, f"{count:,}", "█" * max(1, count * 40 // most))
    return table
