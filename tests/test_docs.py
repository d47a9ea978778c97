"""What the pages say exists: files, names, commands with their options, settings, metrics, log lines, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    matches_a_file,
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
PATH = re.compile(r"(?<![\w./<*$-])((?:ganggpt|tests|bench|docs|worlds|k8s|cluster|deploy|tools|\.ci)/[\w./*<>-]*[\w*>])")
FILE = re.compile(r"[\w*<>-]+(?:[/.][\w*<>-]+)*\.(?:py|md|ya?ml|toml|sql|lock|json|ini|conf|txt|mjs)")
MAKE = re.compile(r"(?:`|^|&& )make (?:[A-Z]+=\S+ )*([a-z][a-z-]*)", re.MULTILINE)
DOTTED = re.compile(r"(?<![\w./@:-])((?:ganggpt|bench|tools|tests)(?:\.[A-Za-z_]\w*)+)(?![\w/-])")
NOT_A_NAME = re.compile(r"ganggpt\.v\d|ganggpt\.io|ganggpt\.example|.*\.(?:py|md|ya?ml|svg|png)$")
METRIC = re.compile(r"\b(ganggpt_[a-z0-9_]+\*?(?:\{[^}]*\})?)")
SETTING = re.compile(r"(?<![\w$-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")
IDENTIFIER = re.compile(r"_?[a-z]+(?:_[a-z0-9]+)+|[A-Z][a-z]+(?:[A-Z][a-z]*)+")
LOG = re.compile(r"[Ll]og `([^`]+)`")
SHELL = ("sh", "")
FOREIGN = frozenset({"PYTHON", "ARGS"})


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


def calls_in(page: str) -> Iterator[Mention]:
    """Every call of ``ganggpt`` with its arguments, in backticks or in a block of shell commands."""
    for line, code in (*code_in(page), *blocks_in(page, *SHELL)):
        for call in re.findall(r"(?:^|[&'] ?|\) )ganggpt ([a-z][^&;#']*)", code):
            yield Mention(line, call.strip())


def wrong_with(call: str) -> str:
    """What is wrong with a call of ``ganggpt``; an empty text where nothing is."""
    words = call.split()
    for first in words[0].split("|"):
        for second in words[1].split("|") if len(words) > 1 else [""]:
            command = COMMANDS.get(first) or COMMANDS.get(f"{first} {second}")
            if command is None:
                if any(name.startswith(f"{first} ") for name in COMMANDS) and len(words) == 1:
                    continue
                return "no such command"
            options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            unknown = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} - options - {"--help"}
            if unknown:
                return f"no option {', '.join(sorted(unknown))}"
    return ""


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_lead_somewhere(page: str) -> None:
    wrong = []
    for target in (one or other for one, other in LINK.findall(prose_of(page))):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists():
            wrong.append(target)
        elif anchor and anchor not in anchors_of(str(file.resolve().relative_to(ROOT))):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page: str) -> None:
    paths = [*found_in(page, PATH), *(code for code in code_in(page) if FILE.fullmatch(code.text))]
    assert [path for path in paths if not matches_a_file(path.text, page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_dotted_names_exist(page: str) -> None:
    names = [name for name in found_in(page, DOTTED) if not NOT_A_NAME.match(name.text)]
    assert [name for name in names if not names_something(name.text)] == []


@pytest.mark.parametrize("page", PAGES)
def test_identifiers_stand_in_the_code(page: str) -> None:
    names = [code for code in code_in(page) if IDENTIFIER.fullmatch(code.text)]
    assert [name for name in names if name.text not in words_of_the_code()] == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    assert [target for target in found_in(page, MAKE) if target.text not in TARGETS] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page: str) -> None:
    assert [(call, wrong) for call in calls_in(page) if (wrong := wrong_with(call.text))] == []


@pytest.mark.parametrize("page", PAGES)
def test_settings_exist(page: str) -> None:
    """What looks like a setting is one, or a variable that some source or manifest uses."""
    known = SETTINGS | FOREIGN | words_of_the_code()
    unknown = [name for name in found_in(page, SETTING) if name.text not in known]
    assert unknown == []
    ours = [name for name in found_in(page, SETTING) if name.text.startswith("GANGGPT_")]
    assert [name for name in ours if name.text not in SETTINGS] == []


@pytest.mark.parametrize("page", PAGES)
def test_metrics_and_their_labels_exist(page: str) -> None:
    wrong = []
    for mention in found_in(page, METRIC):
        name, _, labels = mention.text.rstrip("}").partition("{")
        if name.endswith("*"):
            fits = any(metric.startswith(name[:-1]) for metric in TABLE)
        else:
            row = TABLE.get(re.sub(r"_(bucket|sum|count)$", "", name)) or TABLE.get(name)
            named = {label.partition("=")[0].strip() for label in labels.split(",") if label}
            fits = row is not None and named <= set(row.labels)
        if not fits:
            wrong.append(mention)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_log_lines_are_written_by_the_program(page: str) -> None:
    """A log line stands as ``log `…``` with dots for what differs."""
    strings, wrong = strings_of_the_program(), []
    for line, text in found_in(page, LOG):
        pattern = "[^\n]*".join(map(re.escape, text.split("…")))
        if re.search(pattern, re.sub(r"%[.\d]*[sdrf]", "", strings)) is None:
            wrong.append(Mention(line, text))
    assert wrong == []


def test_the_readme_names_every_command_every_target_and_every_page() -> None:
    named = {call.partition(" --")[0] for _, call in calls_in("README.md")}
    missing = [name for name in COMMANDS if not any(call.split()[: len(name.split())] == name.split() for call in named)]
    assert missing == []
    targets = {target.text for target in found_in("README.md", MAKE)}
    assert {"run", "test", "demo", "bench", "lint", "clean"} <= targets
    linked = {one.partition("#")[0] for one, _ in LINK.findall(README.partition("## Read on")[2])}
    pages = {page for page in PAGES if page not in ("README.md", "bench/results/README.md")}
    assert pages <= linked, f"not under Read on: {sorted(pages - linked)}"


def test_the_lock_of_the_readme_is_the_lock_of_the_makefile() -> None:
    assert "--require-hashes -r requirements-dev.lock" in README
    assert "--require-hashes -r requirements-dev.lock" in MAKEFILE


def test_no_lock_names_a_package_host() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert not re.search(r"^(--index-url|--extra-index-url|--find-links)|://", text, re.MULTILINE), lock


def test_no_page_and_no_comment_refers_to_a_document_that_readers_do_not_have() -> None:
    private = re.compile(r"\bDESIGN\b|\bSTYLE\.md\b|notes on NPC minds|\bissue \d|layout page|/work/")
    files = [*map(ROOT.joinpath, PAGES), *(ROOT / "ganggpt").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    found = {str(file.relative_to(ROOT)): private.findall(file.read_text(encoding="utf-8")) for file in files}
    assert {file: words for file, words in found.items() if words} == {}
