"""``replay``: an utterance run again with its recorded exchanges, shown beside what was said."""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from msgspec.structs import replace
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ganggpt.cli.options import AsJson, DataDir, Debug, EnvFile, settings_from
from ganggpt.cli.screen import screen
from ganggpt.cli.world_commands import pool_of
from ganggpt.config import Settings
from ganggpt.operations.explain import place_of, read_turns
from ganggpt.operations.utterance_replay import REWRITTEN, UtteranceReplay, replay_utterance
from ganggpt.operations.utterance_story import story_of
from ganggpt.persistence.journal.reader import PostgresTurns
from ganggpt.persistence.models.exchanges import PostgresExchanges
from ganggpt.persistence.world_store import load_world
from ganggpt.runtime.model_plan import words_of
from ganggpt.runtime.run_file import known_token

STATUS: Final = {"same": 0, "different": 1, "unproven": 3}
"""Exit status by verdict; 2 is an error."""
_WORDS: Final = {
    "same": ("the same again", "green"),
    "different": ("different now", "red"),
    "unproven": ("nothing differs, but not everything could be run again", "yellow"),
}

app = typer.Typer()
"""Merged into the commands of ``ganggpt``."""


@app.command("replay")
def replay(
    utterance: Annotated[str, typer.Argument(help="Its id from a reply or a push, such as npc:mara#17.")],
    *,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run an utterance again without any network: the recorded model answer with the prompts, guards and rules of now.

    Exit status 0 where it comes out the same, 1 where something differs, 3 where not everything could be run again.
    """
    again = asyncio.run(_again(settings_from(env_file, data_dir=data_dir), utterance))
    if screen.as_json:
        screen.result(again.to_reply())
    else:
        screen.show(page(again))
    if STATUS[again.verdict]:
        raise typer.Exit(STATUS[again.verdict])


async def _again(settings: Settings, utterance: str) -> UtteranceReplay:
    actor, seq = place_of(utterance)
    async with pool_of(settings) as pool:
        world, _ = await load_world(pool)
        journal = PostgresTurns(pool)
        turns, snapshot = await read_turns(journal, actor, seq)
        story = story_of(utterance, turns, snapshot)
        causes = await journal.causes(actor, [story.first, story.last])
        is_rewritten = await journal.is_rewritten(actor, 0 if snapshot is None else snapshot[0])
        key = "" if story.provenance is None else story.provenance.key
        exchanges = PostgresExchanges(pool, _nothing_lost)
        recorded = (await exchanges.of_request(key))[::-1] if key else []
        again = await replay_utterance(story, causes, world, words_of(settings).spec(known_token(settings)), recorded)
        return replace(again, notes=(*again.notes, REWRITTEN)) if is_rewritten else again


def _nothing_lost(_: int) -> None:
    """A replay writes nothing."""


def page(again: UtteranceReplay) -> Group:
    """The page for people: then and now side by side, differences in colour."""
    differs = {difference.what for difference in again.differences}
    table = Table("", "then", "now" if again.now is not None else "now (not run)", show_lines=True)
    rows = ["said", "act", "guards", "actions", "memories"]
    for what in rows:
        then, now = getattr(again.then, what), None if again.now is None else getattr(again.now, what)
        if then or now:
            table.add_row(what, Text(_shown(then)), Text(_shown(now), style="red" if what in differs else "green"))
    if again.then.prompt_hash:
        now_hash = "" if again.now is None else again.now.prompt_hash[:16]
        table.add_row("prompt", again.then.prompt_hash[:16], Text(now_hash, "red" if "prompt" in differs else "green"))
    words, style = _WORDS[again.verdict]
    head = Table.grid(padding=(0, 2))
    for name, value in (("heard", again.heard), ("to", again.player), ("by", again.by)):
        head.add_row(Text(name, style="dim"), Text(value))
    head.add_row(Text("verdict", style="dim"), Text(words, style=f"bold {style}"))
    parts: list[RenderableType] = [Panel(head, title=f"replay {again.utterance}", title_align="left"), table]
    if again.prompt_changes:
        parts.append(Panel(_changes(again.prompt_changes), title="prompt", title_align="left"))
    parts += [Text(f"note: {note}", style="yellow") for note in again.notes]
    return Group(*parts)


def _changes(lines: Sequence[str]) -> Text:
    text = Text()
    for line in lines:
        text.append(f"{line}\n", style={"+": "green", "-": "red", "@": "dim"}.get(line[:1], ""))
    return text


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    items: Sequence[Any] = value
    return "\n".join(one if isinstance(one, str) else ": ".join(map(str, one)) for one in items)
