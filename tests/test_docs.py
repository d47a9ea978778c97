"""What the README says can be done: its commands exist, its links lead somewhere."""

from __future__ import annotations

import re

import pytest
import typer

from ganggpt.cli import app
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands_of(group: typer.main.TyperGroup, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, command in group.commands.items():
        found |= commands_of(command, f"{prefix}{name} ") if hasattr(command, "commands") else {prefix + name}
    return found


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert {"run", "test", "demo", "bench", "lint", "clean"} <= named <= targets


def test_every_ganggpt_command_of_the_readme_exists_and_none_is_missing() -> None:
    existing = commands_of(typer.main.get_command(app))
    named = set(re.findall(r"`ganggpt ((?:world |ai )?[a-z]+)", README))
    assert named == existing


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_links_to_files_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
        assert (file.parent / target).exists(), f"{page} links to {target}"


def test_the_lock_of_the_readme_is_the_lock_of_the_makefile() -> None:
    assert "--require-hashes -r requirements-dev.lock" in README
    assert "--require-hashes -r requirements-dev.lock" in MAKEFILE


def test_no_lock_names_a_package_host() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert not re.search(r"^(--index-url|--extra-index-url|--find-links)|://", text, re.MULTILINE), lock
