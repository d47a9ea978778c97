"""Secrets are read by each process from the place it was told, and never given to it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ganggpt.config import ConfigInvalid, Settings
from ganggpt.errors import StartFailed
from ganggpt.runtime.world_secrets import (
    SecretSource,
    WorldSecrets,
    drop_secrets,
    open_secrets,
    remove_secrets,
    write_secrets,
)

SECRETS = WorldSecrets(dsn="postgresql://u:pass@db/x", token="the-token", keys={"OPENAI_API_KEY": "sk-key"})


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://node:pass@db/x")
    monkeypatch.setenv("GANGGPT_TOKEN", "token-of-the-node")


def test_a_process_of_a_local_world_reads_the_file_it_was_told(tmp_path: Path) -> None:
    source = write_secrets(tmp_path, SECRETS)
    sent = pickle.dumps(source)
    assert pickle.loads(sent).read() == SECRETS
    for secret in (b"pass", b"the-token", b"sk-key"):
        assert secret not in sent
    assert Path(str(source.file)).stat().st_mode & 0o777 == 0o600


def test_a_process_on_another_machine_reads_the_settings_there(tmp_path: Path) -> None:
    source = write_secrets(tmp_path, SECRETS)
    remove_secrets(tmp_path)
    assert source.read().dsn == "postgresql://node:pass@db/x"


def test_a_node_without_the_secrets_says_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANGGPT_TOKEN")
    with pytest.raises(ConfigInvalid, match="GANGGPT_TOKEN"):
        SecretSource().read()


def test_a_file_that_holds_something_else_is_an_error_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"dsn": 7, "password": "hunter2"}')
    with pytest.raises(StartFailed, match="does not hold the secrets of a world") as failed:
        SecretSource(str(tmp_path / "secrets.json")).read()
    assert "hunter2" not in str(failed.value)


def test_what_is_started_inherits_no_secret_whatever_the_case_of_its_name() -> None:
    kept = {"GANGGPT_HOSTS": "2", "OPENAI_BASE_URL": "http://x", "DATABASE_URL_FILE": "/run/db", "PATH": "/bin"}
    environment = {**kept, "DATABASE_URL": "a", "redis_password": "b", "Openai_Api_Key": "c", "GANGGPT_TOKEN": "d"}
    drop_secrets(environment)
    assert environment == kept


def test_secrets_never_show_themselves() -> None:
    assert repr(SECRETS) == "WorldSecrets(hidden)"
    assert "pass" not in f"{SECRETS} {SecretSource('/x')}"


def test_a_settings_file_that_others_can_read_is_named_with_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LOG_LEVEL=info\nexport GANGGPT_TOKEN=x\n# REDIS_PASSWORD=y\nOPENAI_API_KEY='z'\n")
    file.chmod(0o644)
    assert open_secrets(file) == ["GANGGPT_TOKEN", "OPENAI_API_KEY"]
    file.chmod(0o600)
    assert open_secrets(file) == []
    assert open_secrets(tmp_path / "none") == []


def test_all_secret_settings_are_known_by_their_type() -> None:
    named = [name for name in Settings.model_fields if name.endswith(("_key", "password", "token", "secret"))]
    environment = {str(Settings.model_fields[name].validation_alias): "x" for name in named}
    assert len(named) >= 5
    drop_secrets(environment)
    assert environment == {}
