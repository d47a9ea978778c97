"""Settings: what is read from where, and what is said about mistakes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_core import ValidationError

from ganggpt.config import Settings, is_secret, read_settings, tokens_of, variable_of
from ganggpt.errors import ConfigInvalid, ConfigRejected

SEED = {
    "SERVER_PORT": "22005",
    "SERVER_NAME": "GangGPT Server",
    "MAX_PLAYERS": "128",
    "TICKRATE": "60",
    "DATABASE_URL": "postgresql://user:pass@db:5432/ganggpt",
    "DATABASE_POOL_SIZE": "20",
    "DATABASE_TIMEOUT": "30000",
    "REDIS_URL": "redis://redis:6379",
    "REDIS_PASSWORD": "secure_password",
    "REDIS_TTL": "3600",
    "AZURE_OPENAI_ENDPOINT": "https://ganggpt.openai.azure.com/",
    "AZURE_OPENAI_KEY": "your_api_key",
    "AZURE_OPENAI_DEPLOYMENT": "gpt-4-turbo",
    "GOOGLE_CLOUD_PROJECT": "ganggpt-prod",
    "GOOGLE_APPLICATION_CREDENTIALS": "/path/to/service-account.json",
    "JWT_SECRET": "your_jwt_secret",
    "ENCRYPTION_KEY": "your_encryption_key",
    "CORS_ORIGINS": "https://ganggpt.com,https://admin.ganggpt.com",
    "PROMETHEUS_PORT": "9090",
    "GRAFANA_PORT": "3001",
    "LOG_LEVEL": "info",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
        monkeypatch.delenv(f"{variable_of(field)}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


def problems_of(rejected: pytest.ExceptionInfo[ConfigRejected]) -> dict[str, ConfigInvalid]:
    return {problem.variable: problem for problem in rejected.value.problems}


def test_nothing_has_to_be_set() -> None:
    settings = read_settings()
    assert settings.server_port == 22005
    assert settings.database_url is None
    assert settings.world == Path("worlds/los-santos")
    assert settings.shards == 256


def test_every_variable_of_the_seed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SEED.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    seen = {variable_of(field): getattr(settings, field) for field in Settings.model_fields}
    for name, value in SEED.items():
        got = seen[name]
        plain = got.get_secret_value() if isinstance(got, SecretStr) else got
        if isinstance(plain, tuple):
            plain = ",".join(plain)
        assert str(plain) == value, name


def test_all_mistakes_are_told_at_once_with_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_PORT", "70000")
    monkeypatch.setenv("DATABASE_URL", "mysql://db")
    monkeypatch.setenv("GANGGPT_RESIDENCE", "nowhere")
    monkeypatch.setenv("CORS_ORIGINS", "ganggpt.com")
    with pytest.raises(ConfigRejected) as rejected:
        read_settings()
    assert set(problems_of(rejected)) == {"SERVER_PORT", "DATABASE_URL", "GANGGPT_RESIDENCE", "CORS_ORIGINS"}
    assert all(problem.fix.startswith("Set it to: ") for problem in rejected.value.problems)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GANGGPT_JOURNAL_DAYS", "1"),
        ("GANGGPT_JOURNAL_DAYS", "0"),
        ("GANGGPT_JOURNAL_DAYS", "two weeks"),
        ("GANGGPT_JOURNAL_DAYS", "2.5"),
        ("GANGGPT_JOURNAL_DAYS", "99999"),
        ("GANGGPT_MEMORY_MONTHS", "0"),
        ("GANGGPT_MISSION_DAYS", "-3"),
        ("GANGGPT_AWAY_DAYS", "0"),
    ],
)
def test_a_retention_that_would_keep_too_little_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigRejected) as rejected:
        read_settings()
    (problem,) = rejected.value.problems
    assert problem.variable == variable
    assert problem.fix.startswith("Set it to: ")


def test_a_rejected_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@db")
    with pytest.raises(ConfigRejected) as rejected:
        read_settings()
    assert "hunter2" not in str(rejected.value)
    assert "hunter2" not in repr(rejected.value)


def test_secrets_are_hidden_in_text_and_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANGGPT_TOKEN", "hunter2hunter2hunter2")
    assert "hunter2" not in repr(read_settings())


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env_file = tmp_path / "some.env"
    env_file.write_text("SERVER_PORT=1001\nMAX_PLAYERS=7\nTICKRATE=30\n")
    monkeypatch.setenv("SERVER_PORT", "1002")
    monkeypatch.setenv("MAX_PLAYERS", "8")
    settings = read_settings(env_file, server_port=1003, max_players=None)
    assert (settings.server_port, settings.max_players, settings.tickrate) == (1003, 8, 30)


def test_dot_env_is_read_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('SERVER_NAME="My City"\nSOMEBODY_ELSE=1\n')
    assert read_settings().server_name == "My City"


def test_a_named_env_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigRejected, match="does not exist"):
        read_settings(tmp_path / "missing.env")


def test_a_misspelled_name_in_the_file_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GANGGPT_RESIDENSE=own\n")
    with pytest.raises(ConfigRejected) as rejected:
        read_settings()
    assert problems_of(rejected)["GANGGPT_RESIDENSE"].fix == "Did you mean GANGGPT_RESIDENCE?"


def test_a_secret_may_come_from_a_mounted_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-from-a-file\n")
    monkeypatch.setenv("GANGGPT_TOKEN_FILE", str(tmp_path / "token"))
    token = read_settings().token
    assert token is not None
    assert token.get_secret_value() == "a-token-from-a-file"


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"", "is empty"), (b"\xff", "not UTF-8")])
def test_a_bad_secret_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("JWT_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigRejected) as rejected:
        read_settings()
    assert said in problems_of(rejected)["JWT_SECRET_FILE"].problem


@pytest.mark.parametrize("token", ["short-token", "a-token-that-is-long-enough,short", ",", "x" * 15])
def test_a_token_that_can_be_guessed_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("GANGGPT_TOKEN", token)
    with pytest.raises(ConfigRejected, match=r"GANGGPT_TOKEN: .*shorter than 16 characters") as rejected:
        read_settings()
    assert token not in str(rejected.value) or token == ","


def test_a_token_may_stand_beside_the_one_it_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANGGPT_TOKEN", "the-new-token-of-ours, the-old-token-of-ours")
    token = read_settings().token
    assert token is not None
    assert tokens_of(token.get_secret_value()) == ("the-new-token-of-ours", "the-old-token-of-ours")


def test_a_secret_and_its_file_at_once_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a")
    monkeypatch.setenv("JWT_SECRET", "b")
    monkeypatch.setenv("JWT_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigRejected, match="JWT_SECRET is set too"):
        read_settings()


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("SERVER_PORT", "")
    settings = read_settings()
    assert (settings.database_url, settings.server_port) == (None, 22005)


def test_settings_travel_between_processes_and_never_change() -> None:
    settings = read_settings(token="t" * 16)
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(ValidationError):
        settings.server_port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        assert field.description, name
        assert extra["shape"], name
    assert {n for n, f in Settings.model_fields.items() if is_secret(f)} == {
        "database_url", "redis_url", "redis_password", "azure_openai_key", "openai_api_key", "token", "jwt_secret",
        "encryption_key",
    }  # fmt: skip
