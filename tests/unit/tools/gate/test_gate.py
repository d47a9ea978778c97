"""Every check of the gate can fail, and says where; what is written down as allowed passes until it is not needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.gate.__main__ import problems_in

ALLOWING_NOTHING = "modules = []\nclasses = []\nunused = []\n[settings]\n"
SETTINGS = "class Settings:\n    port: int = 1\n    name: str = ''\n"
SOUND = {
    "ganggpt/config.py": SETTINGS,
    "ganggpt/serve.py": "from ganggpt.config import Settings\n\ndef run(settings: Settings) -> str:\n"
    "    return f'{settings.name}:{settings.port}'\n",
    "bench/serve.py": "from ganggpt.serve import run\n\nif __name__ == '__main__':\n    run()\n",
    "tests/test_serve.py": "from tests.support import worlds\nfrom ganggpt.serve import run\n",
}


def found(home: Path, files: dict[str, str], allowed: str = ALLOWING_NOTHING) -> list[str]:
    """What the gate says about a tree of files."""
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    exceptions = home / "allowed.toml"
    exceptions.write_text(allowed)
    return [str(problem) for problem in problems_in(home, exceptions)]


def test_a_sound_tree_has_no_problems(tmp_path: Path) -> None:
    assert found(tmp_path, SOUND) == []


def test_a_setting_that_nothing_reads_is_found(tmp_path: Path) -> None:
    deaf = SOUND["ganggpt/serve.py"].replace("settings.port", "other.port")
    (problem,) = found(tmp_path, SOUND | {"ganggpt/serve.py": deaf})
    assert problem == "ganggpt/config.py:2: nothing reads the setting 'port'"


def test_a_setting_may_be_read_by_its_name(tmp_path: Path) -> None:
    by_name = SOUND["ganggpt/serve.py"].replace("settings.port", 'getattr(settings, "port")')
    assert found(tmp_path, SOUND | {"ganggpt/serve.py": by_name}) == []


@pytest.mark.parametrize("folder", ["ganggpt", "bench", "tests", "tools"])
def test_what_an_early_python_311_does_otherwise_is_found(tmp_path: Path, folder: str) -> None:
    text = "try:\n    print()\nexcept* ValueError:\n    pass\n"
    (problem,) = found(tmp_path, SOUND | {f"{folder}/start.py": text})
    assert problem.startswith(f"{folder}/start.py:3: except*: before Python 3.11.4")


@pytest.mark.parametrize(
    "text",
    [
        "LIMIT = 3\n",
        "def limit() -> int:\n    return limit()\n",
        "class Limit:\n    def of(self) -> 'Limit':\n        return Limit()\n",
    ],
)
def test_a_definition_that_nothing_uses_is_found_although_another_has_its_name(tmp_path: Path, text: str) -> None:
    name = "LIMIT" if "LIMIT" in text else "limit" if "def limit" in text else "Limit"
    namesake = f"def asked({name}: int) -> int:\n    return {name}\n\nasked(1)\n"
    tests = "from ganggpt.dead import *\nfrom ganggpt.dead import LIMIT, limit, Limit\n"
    files = SOUND | {"ganggpt/dead.py": text, "bench/alive.py": namesake, "tests/test_dead.py": tests}
    assert [line for line in found(tmp_path, files) if "dead.py" in line and f"nothing uses '{name}'" in line]


@pytest.mark.parametrize(
    "use",
    [
        "from ganggpt.alive import limit\n\nlimit()\n",
        "from ganggpt import alive\n\nalive.limit()\n",
        "from ganggpt import alive as other\n\nother.limit()\n",
        "import ganggpt.alive\n\nganggpt.alive.limit()\n",
        "PATH = 'ganggpt.alive:limit'\n\nprint(PATH)\n",
        "def within() -> None:\n    from ganggpt.alive import limit\n\n    limit()\n\nwithin()\n",
        "from ganggpt import alive\n\ndef ask(front) -> None:\n    front.limit()\n\nask(alive)\n",
    ],
)
def test_every_way_to_use_a_definition_counts(tmp_path: Path, use: str) -> None:
    assert found(tmp_path, SOUND | {"ganggpt/alive.py": "def limit() -> None: ...\n", "bench/user.py": use}) == []


def test_what_a_decorator_registers_is_used(tmp_path: Path) -> None:
    command = "from typer import app\n\n@app.command()\ndef limit() -> None: ...\n"
    assert found(tmp_path, SOUND | {"ganggpt/command.py": command}) == []


def test_a_method_that_nothing_calls_is_found(tmp_path: Path) -> None:
    text = "class Queue:\n    def is_full(self) -> bool:\n        return False\n\nQueue()\n"
    (problem,) = found(tmp_path, SOUND | {"ganggpt/queue.py": text})
    assert problem == "ganggpt/queue.py:2: unused method 'is_full'"


def test_fakes_for_tests_may_be_used_by_tests_alone(tmp_path: Path) -> None:
    files = SOUND | {"ganggpt/testing/fakes.py": "class FakeModel: ...\n\nclass Forgotten: ...\n"}
    files |= {"tests/test_fakes.py": "from ganggpt.testing.fakes import FakeModel\n"}
    assert found(tmp_path, files) == ["ganggpt/testing/fakes.py:3: nothing uses 'Forgotten'"]


def test_a_class_name_for_two_things_is_found_at_both(tmp_path: Path) -> None:
    text = "class Move: ...\n\nMove()\n"
    problems = found(tmp_path, SOUND | {"ganggpt/chess.py": text, "ganggpt/house.py": text})
    assert problems == [f"ganggpt/{name}.py:1: another class is called 'Move' too" for name in ("chess", "house")]


def test_a_module_name_for_two_things_is_found_at_both(tmp_path: Path) -> None:
    files = {"ganggpt/npc/state.py": "", "ganggpt/faction/state.py": ""}
    problems = found(tmp_path, SOUND | files)
    assert problems == [f"{path}:1: another module is called 'state' too" for path in sorted(files)]


def test_a_package_and_its_chief_module_are_one_thing(tmp_path: Path) -> None:
    files = {"ganggpt/host/__init__.py": "", "ganggpt/host/host.py": ""}
    assert found(tmp_path, SOUND | files) == []


def test_modules_that_are_written_down_as_one_thing_pass_but_no_other_of_their_name(tmp_path: Path) -> None:
    kinds = SOUND | {"ganggpt/npc/state.py": "", "ganggpt/faction/state.py": ""}
    allowed = ALLOWING_NOTHING.replace("modules = []\n", "") + "[[modules]]\npaths = ['ganggpt/*/state.py']\nwhy = ''\n"
    assert found(tmp_path, kinds, allowed) == []
    assert len(found(tmp_path, kinds | {"ganggpt/state.py": ""}, allowed)) == 3


def test_classes_of_modules_that_are_written_down_as_one_thing_pass_but_no_other_of_their_name(tmp_path: Path) -> None:
    wire = dict.fromkeys(("ganggpt/server.py", "ganggpt/client.py"), "class Frame: ...\n\nFrame()\n")
    allowed = ALLOWING_NOTHING.replace("classes = []\n", "")
    allowed += "[[classes]]\npaths = ['ganggpt/server.py', 'ganggpt/client.py']\nwhy = ''\n"
    assert found(tmp_path, SOUND | wire, allowed) == []
    assert len(found(tmp_path, {"ganggpt/painting.py": wire["ganggpt/client.py"]}, allowed)) == 3


@pytest.mark.parametrize(
    "entry",
    [
        "[[classes]]\npaths = ['ganggpt/Gone.py']\nwhy = ''\n",
        "[[unused]]\nnames = ['Gone']\nwhy = ''\n",
        "[[modules]]\npaths = ['ganggpt/Gone.py']\nwhy = ''\n",
        "[settings]\nGone = ''\n",
    ],
)
def test_an_exception_that_nothing_needs_is_a_problem(tmp_path: Path, entry: str) -> None:
    table = entry.split("]", maxsplit=1)[0].strip("[")
    others = [line for line in ALLOWING_NOTHING.splitlines() if table not in line]
    (problem,) = found(tmp_path, SOUND, "\n".join([*others, entry]))
    assert "Gone" in problem


@pytest.mark.parametrize(
    "text",
    [
        "from tests.test_serve import run\n",
        "import tests.test_serve\n",
        "def within():\n    from tests import conftest\n",
    ],
)
def test_a_test_that_imports_another_is_found(tmp_path: Path, text: str) -> None:
    (problem,) = found(tmp_path, SOUND | {"tests/unit/test_other.py": text})
    assert problem.startswith("tests/unit/test_other.py:")
    assert "tests/support" in problem
