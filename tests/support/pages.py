"""The Markdown pages of the repository, and what they mention: links, files, code, names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.support.paths import ROOT

PAGES = tuple(
    sorted(
        str(page.relative_to(ROOT))
        for pattern in ("*.md", "docs/*.md", "bench/*.md", "bench/results/README.md", "worlds/*.md")
        for page in ROOT.glob(pattern)
    )
)
SOURCES = ("ganggpt", "tests", "bench", "tools")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Mention(NamedTuple):
    """Something a page mentions, and the line it stands in."""

    line: int
    text: str


@cache
def text_of(page: str) -> str:
    """A page as it is written."""
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """A page without its blocks of code; every line stays where it is."""
    return _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text_of(page))


def code_in(page: str) -> Iterator[Mention]:
    """What stands in backticks in the prose of a page."""
    prose = prose_of(page)
    for found in _CODE.finditer(prose):
        yield Mention(prose.count("\n", 0, found.start()) + 1, found[1].replace("\\|", "|"))


def blocks_in(page: str, *languages: str) -> Iterator[Mention]:
    """The lines of the blocks of code in these languages."""
    text = text_of(page)
    for block in _FENCE.finditer(text):
        if block[1] in languages:
            first = text.count("\n", 0, block.start(2)) + 1
            yield from (Mention(first + i, line) for i, line in enumerate(block[2].splitlines()))


def found_in(page: str, pattern: re.Pattern[str]) -> Iterator[Mention]:
    """Where a pattern is found anywhere in a page; the first group, where it has one."""
    text = text_of(page)
    for found in pattern.finditer(text):
        yield Mention(text.count("\n", 0, found.start()) + 1, found[pattern.groups and 1])


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub makes of the headings of a page."""
    anchors: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.*?) *$", prose_of(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        times = anchors[anchor] = anchors.get(anchor, -1) + 1
        if times:
            anchors[f"{anchor}-{times}"] = 0
    return set(anchors)


@cache
def _files() -> frozenset[str]:
    """Every file that a page may mention, as a path that begins with a slash; the path of a folder ends with one."""
    folders = (*SOURCES, "docs", "worlds", "k8s", "cluster", "deploy", ".ci")
    paths = [*ROOT.iterdir(), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    return frozenset(f"/{path.relative_to(ROOT)}{'/' * path.is_dir()}" for path in paths)


def _folders_near(page: str, line: int) -> set[str]:
    """The folders that are mentioned in the row of a table, else in the paragraph or table and the heading above it."""
    lines = text_of(page).splitlines()
    first = last = line - 1
    if lines[first].startswith("|") and (found := _folders_in(lines[first])):
        return found
    while first and lines[first - 1].strip():
        first -= 1
    while last < len(lines) and lines[last].strip():
        last += 1
    heading = next((text for text in reversed(lines[:first]) if text.startswith("#")), "")
    return _folders_in("\n".join((heading, *lines[first:last])))


def _folders_in(text: str) -> set[str]:
    mentioned = re.findall(r"`([\w./-]+)`", text)
    wanted = {f"/{name.rstrip('/')}/" for name in mentioned if "." not in name}
    wanted |= {f"/{name.rpartition('/')[0]}/" for name in mentioned if "/" in name and "." in name}
    return {file for file in _files() if any(file.endswith(folder) for folder in wanted)}


@cache
def words_of_the_code() -> frozenset[str]:
    """Every word of every source file, statement and manifest: what is not among them, the code does not know."""
    words: set[str] = set()
    for suffix in ("py", "sql", "yaml", "md", "toml", "json", "ini", "conf"):
        for folder in (*SOURCES, "k8s", "cluster", "deploy", "worlds"):
            for path in (ROOT / folder).rglob(f"*.{suffix}"):
                if str(path.relative_to(ROOT)) not in PAGES:
                    words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    for name in ("compose.yaml", "Dockerfile", "Makefile", "pyproject.toml"):
        words.update(re.findall(r"\w+", (ROOT / name).read_text(encoding="utf-8")))
    return frozenset(words)


@cache
def strings_of_the_program() -> str:
    """The strings of ``ganggpt``, those with fields in braces included, a line each: its log lines are among them."""
    strings: list[str] = []
    for path in (ROOT / "ganggpt").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                strings.append("".join(str(v.value) if isinstance(v, ast.Constant) else "%s" for v in node.values))
    return "\n".join(strings)


def names_something(dotted: str) -> bool:
    """Whether a dotted name leads to a module, or to something a module defines at its top or in a class there."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        rest = parts[length:]
        module = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if place.is_dir() and not rest:
            return True
        if module.is_file():
            return _defines(ast.parse(module.read_text(encoding="utf-8")), rest)
    return False


def _defines(tree: ast.Module | ast.ClassDef, path: list[str]) -> bool:
    if not path:
        return True
    for node in tree.body:
        if path[0] in _names_of(node):
            return len(path) == 1 or (isinstance(node, ast.ClassDef) and _defines(node, path[1:]))
    return False


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(name.asname or name.name).partition(".")[0] for name in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_a_file(path: str, page: str, line: int) -> bool:
    """Whether a path, or a pattern such as ``bench/results/<date>.md``, leads to a file: from the root or the folder of
    the page, or as the end of its path (``host/outbox.py``). A bare name is looked for below the folders that are
    mentioned near it. What the program makes is among its strings, what a user makes is ignored by git."""
    pattern = re.sub(r"<[^>]*>", "*", path).rstrip("/")
    bases = (ROOT, (ROOT / page).parent, ROOT / "ganggpt")
    if any(next(base.glob(pattern), None) for base in bases):
        return True
    ignores = (ROOT / ".gitignore", ROOT / "k8s" / "kuberay" / ".gitignore")
    ignored = [entry.strip("/") for file in ignores for entry in file.read_text(encoding="utf-8").splitlines()]
    if path in strings_of_the_program() or pattern.rpartition("/")[2] in ignored:
        return True
    near = "/" not in pattern and _folders_near(page, line)
    ends = (f"/{pattern}", f"/{pattern}/")
    return any(
        file.endswith(ends) and (not near or any(file.startswith(folder) for folder in near)) for file in _files()
    )
