"""The command line in this process: what people and machines see, and how errors end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganggpt.cli.all_commands import main
from ganggpt.cli.screen import screen
from ganggpt.config import Settings, variable_of
from tests.support.paths import ROOT

Outcome = tuple[int, str, str]


@pytest.fixture(autouse=True)
def _plain_screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(ROOT)
    yield
    screen.as_json = screen.debug = False


@pytest.fixture
def ganggpt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["ganggpt", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_good_world_is_counted_for_machines(ganggpt: Callable[..., Outcome]) -> None:
    status, out, _ = ganggpt("world", "check", "--json")
    assert status == 0
    assert json.loads(out)["npcs"] >= 40


def test_a_bad_world_is_refused_with_file_and_line(ganggpt: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text("world: {name: 5}\n")
    status, out, err = ganggpt("world", "check", str(tmp_path))
    assert status == 2
    assert "world.yaml:1" in err
    assert out == ""


def test_an_error_for_machines_is_one_json_line(ganggpt: Callable[..., Outcome], tmp_path: Path) -> None:
    status, out, err = ganggpt("world", "check", str(tmp_path), "--json")
    assert status == 2
    assert json.loads(out)["error"]["code"] == "world_invalid"
    assert "Traceback" not in err


def test_every_bad_setting_is_named_without_a_traceback(
    ganggpt: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SERVER_PORT", "many")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    status, _, err = ganggpt("up", "--data-dir", str(tmp_path))
    assert status == 2
    assert "SERVER_PORT" in err
    assert "LOG_LEVEL" in err
    assert "Traceback" not in err


def test_status_of_an_empty_directory_says_so_and_exits_with_3(ganggpt: Callable[..., Outcome], tmp_path: Path) -> None:
    status, out, _ = ganggpt("status", "--json", "--data-dir", str(tmp_path))
    assert status == 3
    assert json.loads(out) == {"running": False, "data_dir": str(tmp_path)}


def test_down_where_nothing_runs_is_no_error(ganggpt: Callable[..., Outcome], tmp_path: Path) -> None:
    status, out, _ = ganggpt("down", "--json", "--data-dir", str(tmp_path))
    assert status == 0
    assert json.loads(out)["stopped"] is False


def test_a_port_out_of_range_is_a_usage_error(ganggpt: Callable[..., Outcome]) -> None:
    status, _, err = ganggpt("up", "--port", "70000")
    assert status == 2
    assert "65535" in err


def test_the_demo_does_not_touch_a_directory_in_use(ganggpt: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    status, _, err = ganggpt("demo", "--data-dir", str(tmp_path))
    assert status == 2
    assert "is not empty" in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "qwen3"), "--model is given without --model-url."),
        (("--model-url", "http://h:1/v1"), "--model-url is given without --model."),
        (("--fake-model", "--model", "qwen3"), "it excludes --model-url and --model"),
        (("--model-url", "localhost:1", "--model", "qwen3"), "no address of a server"),
    ],
)
def test_half_a_model_or_two_of_them_are_no_demo(
    ganggpt: Callable[..., Outcome], words: tuple[str, ...], said: str
) -> None:
    status, _, err = ganggpt("demo", *words)
    assert status == 2
    assert said in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize("command", ["up", "down", "status", "demo", "bench", "migrate", "scale"])
def test_every_command_speaks_json(ganggpt: Callable[..., Outcome], command: str) -> None:
    status, out, _ = ganggpt(command, "--help")
    assert status == 0
    assert "--json" in out


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("0",), "N: 0"),
        (("--min", "5", "--max", "2"), "--min: 5"),
        (("3", "--max", "4"), "either the number"),
        (("--max", "5000"), "--max: 5000"),
    ],
)
def test_a_bad_number_of_hosts_is_refused_before_anything_is_asked(
    ganggpt: Callable[..., Outcome], tmp_path: Path, words: tuple[str, ...], names: str
) -> None:
    status, out, err = ganggpt("scale", *words, "--data-dir", str(tmp_path))
    assert status == 2
    assert names in " ".join(err.split())
    assert out == ""


@pytest.mark.parametrize("words", [(), ("3",), ("--auto",)])
def test_there_is_nothing_to_scale_where_no_world_runs(
    ganggpt: Callable[..., Outcome], tmp_path: Path, words: tuple[str, ...]
) -> None:
    status, out, _ = ganggpt("scale", *words, "--json", "--data-dir", str(tmp_path))
    assert status == 2
    error = json.loads(out)["error"]
    assert error["code"] == "not_running"
    assert "ganggpt up" in error["message"]
    assert not list(tmp_path.iterdir())


def test_sim_ends_with_one_line_of_numbers(ganggpt: Callable[..., Outcome]) -> None:
    code, out, _ = ganggpt("sim", "--seeds", "3", "--jobs", "1", "--json")
    (line,) = out.splitlines()
    told = json.loads(line)
    assert code == 0
    assert list(told) == ["seeds", "violations", "seeds_per_s", "commands"]
    assert (told["seeds"], told["violations"]) == (3, 0)


def test_sim_tells_how_to_see_a_broken_promise_again(ganggpt: Callable[..., Outcome]) -> None:
    code, out, _ = ganggpt("sim", "--seeds", "2", "--jobs", "1", "--json", "--mutation", "ack-before-commit")
    broken, *_, numbers = map(json.loads, out.splitlines())
    assert code == 1
    assert numbers["violations"] > 0
    assert broken["broken"][0]["checker"] == "acked is durable"
    code, again, _ = ganggpt(*broken["again"].split()[1:])
    assert code == 1
    assert "acked is durable" in again


@pytest.mark.parametrize("words", [("--seed", "-1"), ("--seeds", "0"), ("--scenario", "tiny"), ("--mutation", "none")])
def test_sim_names_the_option_that_does_not_fit(ganggpt: Callable[..., Outcome], words: tuple[str, str]) -> None:
    code, _, err = ganggpt("sim", *words)
    assert code == 2
    assert words[0] in err


def test_politics_shows_the_map_and_the_same_seed_shows_the_same(
    ganggpt: Callable[..., Outcome], tmp_path: Path
) -> None:
    picture = tmp_path / "map.svg"
    code, out, _ = ganggpt("politics", "--turns", "200", "--seed", "3", "--samples", "4", "--svg", str(picture))
    assert code == 0
    for word in ("200 political turns", "what the row thinks", "salt-cartel", "treasury", "raid", "all relations"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 80
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert ganggpt("politics", "--turns", "200", "--seed", "3", "--samples", "4")[1] == out
    assert ganggpt("politics", "--turns", "200", "--seed", "4", "--samples", "4")[1] != out


def test_politics_as_json_has_a_line_a_sample_and_one_for_all(ganggpt: Callable[..., Outcome]) -> None:
    code, out, _ = ganggpt("politics", "--turns", "100", "--samples", "2", "--json")
    assert code == 0
    *samples, last = [json.loads(line) for line in out.splitlines()]
    assert [sample["turn"] for sample in samples] == [0, 50, 100]
    assert sum(last["moves"].values()) == 100
    assert sum(last["distribution"].values()) == 3 * len(samples[0]["relations"])


@pytest.mark.parametrize("options", [("--turns", "0"), ("--turns", "10", "--samples", "11")])
def test_politics_refuses_numbers_that_make_no_sense(ganggpt: Callable[..., Outcome], options: tuple[str, ...]) -> None:
    code, _, err = ganggpt("politics", *options)
    assert code == 2
    assert "invalid input" in err
