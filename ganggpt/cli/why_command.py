"""``why``: the explanation of one utterance, as a page for people or a line for programs."""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ganggpt.ai.port import NANO_USD
from ganggpt.cli.options import AsJson, DataDir, Debug, EnvFile, settings_from
from ganggpt.cli.screen import screen
from ganggpt.cli.world_commands import pool_of
from ganggpt.config import Settings
from ganggpt.operations.explain import Explanation, explain, place_of, read_turns
from ganggpt.persistence.journal.reader import PostgresTurns
from ganggpt.persistence.world_store import load_world

app = typer.Typer()
"""Merged into the commands of ``ganggpt``."""


@app.command("why")
def why_(
    utterance: Annotated[str, typer.Argument(help="Its id from a reply or a push, such as npc:mara#17.")],
    *,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Explain an utterance: memories with scores, prompt, model, cost, guards, actions; and how to say it again."""
    found = asyncio.run(_explained(settings_from(env_file, data_dir=data_dir), utterance))
    if screen.as_json:
        screen.result(found.to_reply())
    else:
        screen.show(page(found))


async def _explained(settings: Settings, utterance: str) -> Explanation:
    actor, seq = place_of(utterance)
    async with pool_of(settings) as pool:
        world, _ = await load_world(pool)
        turns, snapshot = await read_turns(PostgresTurns(pool), actor, seq)
        return explain(utterance, turns, world, snapshot)


def page(found: Explanation) -> Group:
    """For people."""
    provenance = found.provenance
    facts = Table.grid(padding=(0, 2))
    rows: list[tuple[str, Any]] = [
        ("heard", found.heard),
        ("because", found.because),
        ("heard as", ", ".join(f"{act.replace('_', ' ')} {sure:.2f}" for act, sure in found.heard_as)),
        ("said", Text(found.said or "(nothing of it was heard)", style="bold")),
        ("to", f"{found.player}, {datetime.fromtimestamp(found.at_s, UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("act", found.act),
        ("by", " ".join(filter(None, (provenance.model or "nobody", provenance.rung and f"({provenance.rung})")))),
    ]
    if provenance.tokens_in or provenance.tokens_out:
        cost = provenance.nano_usd / NANO_USD
        rows.append(("cost", f"{provenance.tokens_in} tokens in, {provenance.tokens_out} out, ${cost:.6f}"))
    if provenance.prompt_hash:
        rows.append(("prompt", provenance.prompt_hash[:16]))
    rows += [("guards", finding) for finding in provenance.guards]
    rows += [("wanted", f"{action}: {verdict}") for action, verdict in provenance.actions]
    if found.same is not None:
        again = "the same again" if found.same else f"other words now: {found.again}"
        rows.append(("replayed", Text(again, style="green" if found.same else "yellow")))
    for name, value in rows:
        facts.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(value))
    parts: list[Any] = [Panel(facts, title=f"why {found.utterance}", title_align="left")]
    if found.recalled:
        table = Table("no", "memory", "score", "relevance", "recency", "weight", "person")
        for one in found.recalled:
            style = "bold" if one.no == found.cites else None
            scores = (one.score, one.relevance, one.recency, one.weight, one.person)
            past = f" (past: {one.replaced_by} took its place)" if one.replaced_by else ""
            table.add_row(str(one.no), Text(one.text + past), *(f"{score:.2f}" for score in scores), style=style)
        parts.append(table)
    if provenance.prompt:
        parts.append(Panel(Text(provenance.prompt), title="prompt", title_align="left"))
    return Group(*parts)
