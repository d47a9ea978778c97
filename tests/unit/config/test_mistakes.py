"""Every setting in every shape it can have wrong: named, with its fix, all at once, and never with a secret."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ganggpt.cli.all_commands import main
from ganggpt.cli.screen import screen
from ganggpt.config import Settings, is_secret, read_settings, variable_of
from ganggpt.errors import ConfigRejected

FIELDS = {variable_of(name): field for name, field in Settings.model_fields.items()}
SECRETS = sorted(variable for variable, field in FIELDS.items() if is_secret(field))
NUMBERS = sorted(v for v, f in FIELDS.items() if {"int", "float"} & set(repr(f.annotation).replace("'", " ").split()))
CHOICES = sorted(v for v, f in FIELDS.items() if "Literal" in repr(f.annotation) or f.annotation is bool)
URLS = ("DATABASE_URL", "REDIS_URL", "AZURE_OPENAI_ENDPOINT", "OPENAI_BASE_URL", "GANGGPT_BRIDGE_URL")
FOR_HEADERS = ("GANGGPT_TOKEN", "AZURE_OPENAI_KEY", "OPENAI_API_KEY")
SAMPLES = {
    "DATABASE_URL": "postgresql://u:secretword@h/d",
    "REDIS_URL": "redis://:secretword@h",
    "GANGGPT_BRIDGE_URL": "wss://h/v1/bridge",
    "AZURE_OPENAI_API_VERSION": "v1",
    "RAY_ADDRESS": "auto",
    "CORS_ORIGINS": "https://ganggpt.example",
    "GANGGPT_CLUSTER": "blue",
    "GANGGPT_TOKEN": "a-token-of-some-length",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for variable in FIELDS:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(f"{variable}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    screen.as_json = screen.debug = False


def problems(**options: Any) -> Mapping[str, str]:
    """By variable, what is said about it; empty where the settings are good."""
    try:
        read_settings(**options)
    except ConfigRejected as rejected:
        for problem in rejected.problems:
            assert problem.fix, problem
        return {problem.variable: str(problem) for problem in rejected.problems}
    return {}


@pytest.mark.parametrize("variable", sorted(FIELDS))
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("  ", "it is blank"),
        ('"in quotes"', "quotation marks"),
        ("'in quotes'", "quotation marks"),
        ("“in quotes”", "quotation marks"),
        ("a\rb", "line break or another control character"),
        ("a\x1bb", "line break or another control character"),
    ],
)
def test_a_value_that_a_shell_or_an_editor_spoiled_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    found = problems()
    assert list(found) == [variable]
    assert said in found[variable]


@pytest.mark.parametrize("variable", sorted(FIELDS))
@pytest.mark.parametrize("end", ["\r", " ", "\t", "\n", "\r\n", "\u00a0"])
def test_line_ends_and_blanks_around_a_value_are_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, end: str
) -> None:
    field = FIELDS[variable]
    value = SAMPLES.get(variable) or str(field.default if field.default not in (None, ()) else _example(field))
    monkeypatch.setenv(variable, value)
    good = read_settings()
    monkeypatch.setenv(variable, f"{end}{value}{end}")
    assert read_settings() == good


def _example(field: Any) -> str:
    example = field.json_schema_extra["example"]
    return str(example or ("3" if "int" in repr(field.annotation) else "a-text"))


@pytest.mark.parametrize("variable", NUMBERS)
@pytest.mark.parametrize("value", ["many", "-7", "1e99", "999999999999999999999999", "1,5", "½", "0x10", "nan", "True"])
def test_what_is_no_number_or_out_of_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    found = problems()
    assert list(found) == [variable]
    assert "Set it to: " in found[variable]


@pytest.mark.parametrize("variable", CHOICES)
def test_what_is_none_of_the_choices_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "perhaps")
    assert list(problems()) == [variable]


@pytest.mark.parametrize("variable", URLS)
@pytest.mark.parametrize("value", ["h", "ftp://h", "https//h", "://", "mysql://u:p@h"])
def test_what_is_no_url_of_that_kind_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert list(problems()) == [variable]


@pytest.mark.parametrize("variable", FOR_HEADERS)
@pytest.mark.parametrize(
    "value", ["geheimer-schlüssel", "two words of a key", "zero\u200bwidth-in-a-key", "Ключ-от-всех-дверей"]
)
def test_a_key_that_no_header_can_carry_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert "no HTTP header can carry" in problems()[variable]


@pytest.mark.parametrize("value", ["ray://h:10001", "h", "http://h:6379", "h:port"])
def test_an_address_of_ray_is_host_and_port_or_auto(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RAY_ADDRESS", value)
    assert list(problems()) == ["RAY_ADDRESS"]


def test_mistakes_of_all_kinds_are_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "GANGGPT_RESIDENSE=own\nDATABSE_URL=x\nSERVER_PORT: 5\nGANGGPT_SHARDS=many\nSOMEBODY_ELSE=1\nDATABASE_URL2=x\n"
    )
    monkeypatch.setenv("GANGGPT_HOSTSMAX", "4")
    monkeypatch.setenv("GANGGPT_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("GANGGPT_PORT_22005_TCP", "tcp://10.0.0.1")
    monkeypatch.setenv("TICKRATE", "never")
    monkeypatch.setenv("JWT_SECRET_FILE", str(tmp_path / "missing"))
    found = problems()
    assert set(found) == {
        "GANGGPT_RESIDENSE", "DATABSE_URL", ".env", "GANGGPT_SHARDS", "GANGGPT_HOSTSMAX", "TICKRATE", "JWT_SECRET_FILE",
    }  # fmt: skip
    assert "Did you mean DATABASE_URL?" in found["DATABSE_URL"]
    assert "its line 3 cannot be read" in found[".env"]


def box(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """What `ganggpt` says about a mistake, with exit status 2 and without a traceback."""
    monkeypatch.setattr(sys, "argv", ["ganggpt", *words])
    # A command may take standard output for itself, for as long as its process lives.
    for owner, name in ((sys, "stdout"), (screen, "_out"), (screen, "_lines")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    text = said.out + said.err
    assert ended.value.code == 2, text
    assert "Traceback" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    return text


def unwrapped(text: str) -> str:
    """The words of a box as one text, whatever its width."""
    return "".join(line.strip("│ \n") for line in text.splitlines())


WITH_PASSWORD: Mapping[str, Callable[[str], str]] = {
    "DATABASE_URL": lambda password: f"postgresql://user:{password}@127.0.0.1:1/world",
    "REDIS_URL": lambda password: f"redis://user:{password}@127.0.0.1:1/0",
}
SPOILED: Mapping[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "in quotes": lambda value: f'"{value}"',
    "with a line break": lambda value: f"{value[:9]}\n{value[9:]}",
    "with a blank": lambda value: f"{value[:14]} {value[14:]}",
    "of another kind": lambda value: f"mysql{value}",
    "without an at": lambda value: value.replace("@", ""),
    "without slashes": lambda value: value.replace("//", ""),
    "twice": lambda value: f"{value}{value}",
    "with parameters": lambda value: f"{value}?sslmod=require",
    "in capitals": lambda value: value.upper(),
}
LONG = "Zx4kQ9wTb7Lm"


@pytest.mark.slow
@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize("shape", sorted(SPOILED))
@hypothesis_settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(sign=st.sampled_from([*"#/?[]@%:&=+\\ \t\"'$;,üЖ", "%zz", "?x=", "/@", "#@"]), place=st.integers(0, len(LONG)))
def test_a_secret_is_never_shown_whatever_is_wrong_with_it(
    variable: str,
    shape: str,
    sign: str,
    place: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    password = LONG[:place] + sign + LONG[place:]
    value = SPOILED[shape](WITH_PASSWORD.get(variable, str)(password))
    with monkeypatch.context() as environment:
        environment.setenv(variable, value)
        # Beside another mistake, so that every value ends in a box, also one that could be used.
        environment.setenv("SERVER_PORT", "many")
        text = unwrapped(box(capsys, environment, "up", "--data-dir", str(tmp_path / "world")))
        environment.delenv("SERVER_PORT")
        if variable == "DATABASE_URL":
            text += unwrapped(box(capsys, environment, "migrate", "--data-dir", str(tmp_path / "world")))
        elif variable == "REDIS_URL":
            text += unwrapped(box(capsys, environment, "up", "--data-dir", str(tmp_path / "world"), "--port", "0"))
    parts = [LONG[n : n + 4] for n in range(len(LONG) - 3)]
    assert not [part for part in parts if part.lower() in text.lower()], text


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_that_stands_where_the_path_of_its_file_belongs_is_not_shown(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{variable}_FILE", LONG)
    text = unwrapped(box(capsys, monkeypatch, "up"))
    assert f"{variable}_FILE" in text
    assert LONG[:4] not in text


@pytest.mark.parametrize(
    "key", [f"https://{LONG}@h.example", f"https://user:{LONG}@h.example/v1", f"https://h?key={LONG}"]
)
@pytest.mark.parametrize("variable", ["AZURE_OPENAI_ENDPOINT", "OPENAI_BASE_URL"])
def test_a_key_in_the_address_of_a_model_is_refused_and_not_shown(
    variable: str, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, key)
    text = unwrapped(box(capsys, monkeypatch, "up"))
    assert variable in text
    assert LONG[:4] not in text
