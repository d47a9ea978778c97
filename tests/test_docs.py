"""What the pages say exists: files, names, commands with their options, settings, metrics, log lines, links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import typer

from ganggpt.cli import app
from ganggpt.config import Settings, is_secret
from ganggpt.observability.metrics import TABLE
from tests.support.pages import (
    PAGES,
    Mention,
    anchors_of,
    blocks_in,
    code_in,
    found_in,
    is_a_file,
    names_something,
    prose_of,
    strings_of_the_program,
    text_of,
    words_of_the_code,
)
from tests.support.paths import ROOT

README = text_of("README.md")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
PATH = re.compile(
    r"(?<![\w./<*$-])((?:ganggpt|tests|bench|docs|worlds|k8s|cluster|deploy|tools|\.ci)/[\w./*<>-]*[\w*>])"
)
FILE = re.compile(r"[\w*<>-]+(?:[/.][\w*<>-]+)*\.(?:py|md|ya?ml|toml|sql|lock|json|ini|conf|txt|mjs|svg)")
MAKE = re.compile(r"(?:`|^|&& )make (?:[A-Z]+=\S+ )*([a-z][a-z-]*)", re.MULTILINE)
CALL = re.compile(r"(?:^|[&'] ?|\) )ganggpt ([a-z][^&;#']*)")
DOTTED = re.compile(r"(?<![\w./@:-])((?:ganggpt|bench|tools|tests)(?:\.[A-Za-z_]\w*)+)(?![\w/-])")
NOT_A_NAME = re.compile(r"ganggpt\.v\d|ganggpt\.io|ganggpt\.example|.*\.(?:py|md|ya?ml|svg|png)$")
METRIC = re.compile(r"\b(ganggpt_[a-z0-9_]+\*?(?:\{[^}]*\})?)")
VARIABLE = re.compile(r"(?<![\w$-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")
IDENTIFIER = re.compile(r"_?[a-z]+(?:_[a-z0-9]+)+|[A-Z][a-z]+(?:[A-Z][a-z]*)+")
LOG = re.compile(r"\b[Ll]og\s+`([^`]+)`")
RENAMED = re.compile(r"^- Renamed: .*(?:\n  .*)*", re.MULTILINE)
THEIRS = {"OLLAMA_CONTEXT_LENGTH", "OLLAMA_KEEP_ALIVE"}
"""Variables of programs that are not part of this one."""
PRIVATE = re.compile(r"\bDESIGN\b|\bSTYLE\.md\b|notes on NPC minds|\bissue \d|layout page")


def commands_of(group: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found |= commands_of(command, f"{prefix}{name} ") if hasattr(command, "commands") else {prefix + name: command}
    return found


COMMANDS = commands_of(typer.main.get_command(app))
SETTINGS = {
    name
    for field in Settings.model_fields.values()
    for name in (str(field.validation_alias), *([f"{field.validation_alias}_FILE"] if is_secret(field) else ()))
}


def told(page: str, wrong: Iterable[Mention]) -> list[str]:
    """Where to look. What an entry of the list of changes says was renamed may have its old name there."""
    old = [(m.start(), m.end()) for m in RENAMED.finditer(text_of(page))]
    lines = {text_of(page).count("\n", 0, n) + 1 for start, end in old for n in range(start, end)}
    return [f"{page}:{line}: {text}" for line, text in wrong if line not in lines]


def calls_in(page: str) -> Iterator[Mention]:
    """Every call of ``ganggpt`` with its arguments, in backticks or in a block of shell commands."""
    for line, code in (*code_in(page), *blocks_in(page, "sh", "")):
        yield from (Mention(line, call.strip()) for call in CALL.findall(code))


def is_a_call(call: str) -> bool:
    """Whether there is such a command with these options. ``on|off`` stands for either."""
    words = call.split()
    seconds = words[1].split("|") if len(words) > 1 else [""]
    named = [name for one in words[0].split("|") for two in seconds for name in (one, f"{one} {two}")]
    commands = [COMMANDS[name] for name in named if name in COMMANDS]
    if not commands:
        return len(words) == 1 and any(name.startswith(f"{words[0]} ") for name in COMMANDS)
    options = {option for c in commands for p in c.params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
    return {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= options


def is_a_metric(mention: str) -> bool:
    """Whether there is such a metric with these labels, and their values are words of the code. A star at the end of a
    name stands for its rest."""
    name, _, labels = mention.rstrip("}").partition("{")
    if name.endswith("*"):
        return any(metric.startswith(name[:-1]) for metric in TABLE)
    row = TABLE.get(name) or TABLE.get(re.sub(r"_(bucket|sum|count)$", "", name))
    named = dict(label.strip().partition("=")[::2] for label in labels.split(",") if label)
    values = {value.strip('"') for value in named.values() if value and not re.fullmatch(r'"\dxx"', value)}
    return row is not None and named.keys() <= set(row.labels) and values <= words_of_the_code()


def leads_somewhere(target: str, page: str) -> bool:
    """Whether a link leads to a file, and to an anchor in it."""
    path, _, anchor = target.partition("#")
    file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    return file.exists() and (not anchor or anchor in anchors_of(str(file.relative_to(ROOT))))


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_lead_somewhere(page: str) -> None:
    targets = [one or other for one, other in LINK.findall(prose_of(page))]
    assert [target for target in targets if "://" not in target and not leads_somewhere(target, page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page: str) -> None:
    paths = [*found_in(page, PATH), *(code for code in code_in(page) if FILE.fullmatch(code.text))]
    assert told(page, (path for path in paths if not is_a_file(path.text, page, path.line))) == []


@pytest.mark.parametrize("page", PAGES)
def test_dotted_names_lead_to_modules_and_what_they_define(page: str) -> None:
    names = [name for name in found_in(page, DOTTED) if not NOT_A_NAME.match(name.text)]
    assert told(page, (name for name in names if not names_something(name.text))) == []


@pytest.mark.parametrize("page", PAGES)
def test_identifiers_stand_in_the_code(page: str) -> None:
    names = [code for code in code_in(page) if IDENTIFIER.fullmatch(code.text)]
    assert told(page, (name for name in names if name.text not in words_of_the_code())) == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    assert told(page, (target for target in found_in(page, MAKE) if target.text not in TARGETS)) == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page: str) -> None:
    assert told(page, (call for call in calls_in(page) if not is_a_call(call.text))) == []


@pytest.mark.parametrize("page", PAGES)
def test_variables_are_settings_or_known_to_a_manifest(page: str) -> None:
    found = list(found_in(page, VARIABLE))
    known = SETTINGS | words_of_the_code() | THEIRS
    wrong = [n for n in found if n.text not in (SETTINGS if n.text.startswith("GANGGPT_") else known)]
    assert told(page, wrong) == []


@pytest.mark.parametrize("page", PAGES)
def test_metrics_and_their_labels_exist(page: str) -> None:
    assert told(page, (metric for metric in found_in(page, METRIC) if not is_a_metric(metric.text))) == []


@pytest.mark.parametrize("page", PAGES)
def test_log_lines_are_written_by_the_program(page: str) -> None:
    """A log line stands as ``log `…``` with dots for what differs."""
    strings = re.sub(r"%[.\d]*[sdrf]", "", strings_of_the_program())
    lines = [Mention(line, "[^\n]*".join(map(re.escape, text.split("…")))) for line, text in found_in(page, LOG)]
    assert told(page, (line for line in lines if re.search(line.text, strings) is None)) == []


def test_what_does_not_exist_is_noticed() -> None:
    assert not leads_somewhere("docs/MINDS.md#no-such-heading", "README.md")
    assert not is_a_file("ganggpt/actors/nothing.py", "README.md", 1)
    assert not is_a_file("bench/results/<date>.gone", "README.md", 1)
    assert names_something("ganggpt.domain.mind.memory.MemoryStore.recall")
    assert not names_something("ganggpt.domain.mind.memory.MemoryStore.nothing")
    assert is_a_call("ai on|off")
    assert not is_a_call("demo --nothing")
    assert not is_a_call("nothing")
    assert is_a_metric('ganggpt_router_shed_total{reason="lane"}')
    assert not is_a_metric('ganggpt_router_shed_total{reason="no such reason"}')
    assert not is_a_metric("ganggpt_router_shed_total{nothing}")
    assert not is_a_metric("ganggpt_nothing_total")


def test_the_readme_names_every_command_and_leads_to_every_page() -> None:
    named = [call.split() for _, call in calls_in("README.md")]
    assert [name for name in COMMANDS if not any(call[: len(name.split())] == name.split() for call in named)] == []
    linked = {one.partition("#")[0] for one, _ in LINK.findall(README.partition("## Read on")[2])}
    assert sorted({page for page in PAGES if page != "README.md"} - linked) == []


def test_the_example_of_the_memory_store_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", text_of("docs/MINDS.md"), re.DOTALL)
    exec(example, {"now_s": 1_800_000_000.0})
    assert "silver watch" in capsys.readouterr().out


@pytest.mark.parametrize(
    "install", ["--require-hashes -r requirements-dev.lock", "--no-deps --require-hashes -r requirements-model.lock"]
)
def test_what_the_readme_installs_is_what_the_makefile_installs(install: str) -> None:
    assert install in README
    assert install in re.sub(r"\\\n\s*", "", MAKEFILE)


def test_no_lock_names_a_package_host() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-model.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert not re.search(r"^(--index-url|--extra-index-url|--find-links)|://", text, re.MULTILINE), lock


def test_nothing_refers_to_a_document_that_readers_do_not_have() -> None:
    files = [
        *map(ROOT.joinpath, PAGES),
        *(path for d in ("ganggpt", "bench", "tools") for path in (ROOT / d).rglob("*.py")),
    ]
    assert [str(file.relative_to(ROOT)) for file in files if PRIVATE.search(file.read_text(encoding="utf-8"))] == []
