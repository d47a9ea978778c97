"""The config of a gateway: what can be known to be wrong is said at the start, with file, field and fix."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganggpt.ai.gateway.budget import Limit
from ganggpt.ai.gateway.gateway_config import (
    Budgets,
    GatewayConfig,
    PriceEntry,
    Secrets,
    gateway_config,
    limits_of,
    read_models,
    read_prices,
)
from ganggpt.ai.gateway.provider import Counted
from ganggpt.config import Settings, read_settings, variable_of
from ganggpt.errors import ConfigInvalid, ConfigRejected
from ganggpt.runtime.model_plan import mind_plan, model_plan
from tests.support.onnx_models import tiny_model

AZURE = {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/", "AZURE_OPENAI_KEY": "k"}
FILE: dict[str, Any] = {
    "providers": {"west": {"kind": "azure", "url": "https://w.example", "key": "AZURE_OPENAI_KEY"}},
    "models": {"big": {"provider": "west", "model": "gpt-4o"}, "mini": {"provider": "west", "model": "gpt-4o-mini"}},
    "slots": {"dialogue": {"large": ["big"], "small": ["mini"]}},
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
        monkeypatch.delenv(f"{variable_of(field)}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


def configured(monkeypatch: pytest.MonkeyPatch, **variables: str) -> GatewayConfig | None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return model_plan(read_settings())


def problem_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ConfigInvalid:
    with pytest.raises(ConfigRejected) as caught:
        configured(monkeypatch, **variables)
    (problem,) = caught.value.problems
    return problem


def written(folder: Path, **changed: Any) -> str:
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump({**FILE, **changed}))
    return str(path)


def test_without_a_model_there_is_no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured(monkeypatch) is None
    assert configured(monkeypatch, **AZURE, GANGGPT_AI="off") is None


def test_the_variables_of_the_seed_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(monkeypatch, **AZURE)
    assert config is not None
    assert {name: spec.entry.model for name, spec in config.deployments.items()} == {"azure-large": "gpt-4-turbo"}
    assert all(entry.large == ("azure-large",) for entry in config.slots.values())
    assert "key=" not in repr(config.deployments["azure-large"].endpoint)
    assert pickle.loads(pickle.dumps(config)) == config


def test_cheap_tasks_go_to_the_cheap_model_and_another_provider_stands_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"AZURE_OPENAI_SMALL_DEPLOYMENT": "gpt-4o-mini", "OPENAI_MODEL": "gpt-4.1", "OPENAI_API_KEY": "o"}
    config = configured(monkeypatch, **AZURE, **more)
    assert config is not None
    assert config.slots["dialogue"].large == ("azure-large", "openai-large")
    assert config.slots["summary"].large == ()
    assert config.slots["summary"].small == ("azure-small",)


def test_a_deployment_with_a_free_name_has_the_price_and_the_manner_of_the_model_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = {"AZURE_OPENAI_DEPLOYMENT": "our-talker", "AZURE_OPENAI_SMALL_DEPLOYMENT": "our-small"}
    behind = {"AZURE_OPENAI_MODEL": "gpt-5-mini", "AZURE_OPENAI_SMALL_MODEL": "gpt-4o-mini"}
    config = configured(monkeypatch, **AZURE, **free, **behind)
    assert config is not None
    found = {spec.entry.model: spec for spec in config.deployments.values()}
    assert {name: spec.entry.family for name, spec in found.items()} == {
        "our-talker": "gpt-5-mini",
        "our-small": "gpt-4o-mini",
    }
    assert found["our-talker"].price == read_prices(None)["gpt-5-mini"]


def test_a_deployment_without_a_price_is_refused_with_the_variable_for_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = problem_of(monkeypatch, **AZURE, AZURE_OPENAI_DEPLOYMENT="our-talker")
    assert "AZURE_OPENAI_MODEL" in problem.fix


def test_a_path_of_a_gateway_in_front_of_azure_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(monkeypatch, **{**AZURE, "AZURE_OPENAI_ENDPOINT": "https://apim.example.com/team-a"})
    assert config is not None
    assert config.deployments["azure-large"].endpoint.url.endswith("/team-a")


def test_a_server_of_ones_own_costs_nothing_and_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(monkeypatch, OPENAI_BASE_URL="http://localhost:11434/v1", OPENAI_MODEL="qwen3:8b")
    assert config is not None
    spec = config.deployments["openai-large"]
    assert spec.endpoint.kind == "compatible"
    assert spec.price.of(Counted(1000, 1000)).nano_usd == 0


@pytest.mark.parametrize(
    ("variables", "variable", "word"),
    [
        ({"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"}, "AZURE_OPENAI_KEY", "not set"),
        ({"AZURE_OPENAI_KEY": "k"}, "AZURE_OPENAI_ENDPOINT", "not set"),
        ({**AZURE, "AZURE_OPENAI_DEPLOYMENT": "my-model"}, "azure-large.price", "'my-model'"),
        ({**AZURE, "AZURE_OPENAI_API_VERSION": "newest"}, "AZURE_OPENAI_API_VERSION", "pattern"),
        ({**AZURE, "AZURE_OPENAI_SMALL_DEPLOYMENT": "my-model"}, "azure-small.price", "'my-model'"),
        ({**AZURE, "AZURE_OPENAI_MODEL": "gpt-99"}, "azure-large.price", "'gpt-99'"),
        (
            {**AZURE, "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/openai/deployments/a/chat/completions"},
            "azure.url",
            "/openai/deployments/a/chat/completions",
        ),
        (
            {**AZURE, "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/openai/v1?api-version=preview"},
            "AZURE_OPENAI_ENDPOINT",
            "after the path",
        ),
        (
            {**AZURE, "AZURE_OPENAI_ENDPOINT": "https://x.services.ai.azure.com/api/projects/mine"},
            "azure.url",
            "/api/projects/mine",
        ),
        (
            {"OPENAI_BASE_URL": "http://rack:8000/v1/chat/completions", "OPENAI_MODEL": "qwen"},
            "openai.url",
            "/chat/completions",
        ),
        ({"AZURE_OPENAI_ENDPOINT": "x.openai.azure.com"}, "AZURE_OPENAI_ENDPOINT", "pattern"),
        ({"OPENAI_MODEL": "gpt-4.1"}, "OPENAI_API_KEY", "not set"),
        ({"OPENAI_BASE_URL": "http://localhost/v1"}, "OPENAI_MODEL", "not set"),
        ({**AZURE, "GANGGPT_MODELS": "nowhere.yaml"}, "GANGGPT_MODELS", "cannot be read"),
        ({**AZURE, "GANGGPT_PRICES": "nowhere.yaml"}, "GANGGPT_PRICES", "cannot be read"),
        ({**AZURE, "GANGGPT_BUDGET_HOUR": "-1"}, "GANGGPT_BUDGET_HOUR", "greater than or equal"),
        ({**AZURE, "GANGGPT_BUDGET_HOUR": "nan"}, "GANGGPT_BUDGET_HOUR", "finite"),
        ({**AZURE, "GANGGPT_BUDGET_DAY": "1e9"}, "GANGGPT_BUDGET_DAY", "less than or equal"),
        ({**AZURE, "GANGGPT_BUDGET_HOUR": "50"}, "GANGGPT_BUDGET_HOUR", "its day only 20"),
        ({**AZURE, "GANGGPT_BUDGET_NPC_HOUR": "3"}, "GANGGPT_BUDGET_NPC_HOUR", "the whole server only 2"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_mistake_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], variable: str, word: str
) -> None:
    problem = problem_of(monkeypatch, **variables)
    assert variable in problem.variable
    assert word in problem.problem
    assert problem.fix


@pytest.mark.parametrize(("wait", "timeout_s"), [("5", 20.0), ("60", 60.0), ("100", 100.0)])
def test_a_model_may_take_as_long_as_its_answer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, wait: str, timeout_s: float
) -> None:
    own = {"OPENAI_BASE_URL": "http://localhost:8080/v1", "OPENAI_MODEL": "qwen3"}
    plan = configured(monkeypatch, **own, GANGGPT_AI_WAIT=wait)
    assert plan is not None
    spec = plan.deployments["openai-large"]
    assert spec.entry.timeout_s == timeout_s
    assert spec.endpoint.timeout_s > timeout_s, "a server that is still reading the prompt is not hung up on"


def test_a_lower_server_budget_lowers_the_defaults_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(monkeypatch, **AZURE, GANGGPT_BUDGET_DAY="0.1")
    assert config is not None
    assert {limit.most for limit in config.limits} == {100_000_000}


def test_a_models_file_says_it_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    budgets = {"server": {"day": {"usd": 5}}, "npc": {"hour": {"calls": 10, "tokens": 5000}}}
    config = configured(monkeypatch, AZURE_OPENAI_KEY="k", GANGGPT_MODELS=written(tmp_path, budgets=budgets))
    assert config is not None
    assert set(config.slots) == {"dialogue"}
    assert set(config.limits) == {
        Limit("server", "day", "nano_usd", 5_000_000_000),
        Limit("npc", "hour", "calls", 10),
        Limit("npc", "hour", "tokens", 5000),
    }


@pytest.mark.parametrize(
    ("changed", "where", "word"),
    [
        ({"slots": {"dialogue": {"large": ["bgi"]}}}, "slots.dialogue.large", "no 'bgi'"),
        ({"slots": {"dialogue": {}}}, "slots.dialogue", "names no model"),
        ({"slots": {"dialog": {"large": ["big"]}}}, "slots.dialog", "dialogue"),
        ({"models": {**FILE["models"], "x": {"provider": "wst", "model": "gpt-4o"}}}, "models.x.provider", "no 'wst'"),
        ({"models": {**FILE["models"], "x": {"provider": "west", "model": "own"}}}, "models.x.price", "no 'own'"),
        ({"models": {**FILE["models"], "x": {"provider": "west", "model": "gpt-4o", "tries": 99}}}, "tries", "5"),
        ({"budgets": {"npc": {"hour": {"usd": float("inf")}}}}, "budgets.npc.hour.usd", "finite"),
        ({"budgets": {"npc": {"hour": {"usd": 2}, "day": {"usd": 1}}}}, "budgets.npc", "its day only"),
        ({"embedding": ["nope"]}, "embedding", "no 'nope'"),
        ({"colour": "red"}, "colour", "not permitted"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_mistake_in_the_models_file_names_its_field(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: dict[str, Any], where: str, word: str
) -> None:
    problem = problem_of(monkeypatch, AZURE_OPENAI_KEY="k", GANGGPT_MODELS=written(tmp_path, **changed))
    assert problem.variable.startswith("models.yaml: ")
    assert where in problem.variable
    assert word in problem.problem


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slots = {"dialogue": {"large": ["x", "y"]}, "summary": {"small": ["z"]}}
    with pytest.raises(ConfigRejected) as caught:
        configured(monkeypatch, GANGGPT_MODELS=written(tmp_path, slots=slots))
    assert len(caught.value.problems) == 4, "three unknown models and the missing key"


@pytest.mark.parametrize("text", ["a: [b", "\t- x", "just words", "[1]"])
def test_a_file_that_is_no_yaml_of_ours_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(text)
    with pytest.raises(ConfigRejected, match=r"models\.yaml"):
        read_models(path)


def test_keys_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    providers = {"west": {"kind": "azure", "url": "https://w.example", "key_file": str(tmp_path / "key")}}
    models = read_models(Path(written(tmp_path, providers=providers)))
    config = gateway_config(models, read_prices(None), Secrets(), Budgets(), source="models.yaml", replicas=4)
    assert config.deployments["big"].endpoint.key == "from-a-file"
    assert config.deployments["big"].entry.at_once == 64, "limits are shared out among the replicas"


def test_prices_round_up_and_know_what_the_provider_had_cached() -> None:
    price = PriceEntry(input=0.15, cached=0.075, output=0.6)
    assert price.of(Counted(1000, 100, 400)).nano_usd == 600 * 150 + 400 * 75 + 100 * 600
    assert PriceEntry(input=0.0001).of(Counted(1, 0)).nano_usd == 1


def test_a_dated_version_costs_what_its_model_costs(tmp_path: Path) -> None:
    models = {"big": {"provider": "west", "model": "gpt-4o-mini-2024-07-18"}}
    parsed = read_models(Path(written(tmp_path, models=models, slots={"dialogue": {"large": ["big"]}})))
    config = gateway_config(parsed, read_prices(None), Secrets({"AZURE_OPENAI_KEY": "k"}), Budgets(), source="f")
    assert config.deployments["big"].price == read_prices(None)["gpt-4o-mini"]


def test_no_budget_is_no_limit() -> None:
    assert limits_of(Budgets()) == ()


# --- an embedding model of this machine ------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {**AZURE, "GANGGPT_AI": "off"}], ids=["no model", "models are off"])
def test_a_local_embedding_model_needs_no_other_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: dict[str, str]
) -> None:
    folder = tiny_model(tmp_path / "minilm")
    config = configured(monkeypatch, **more, GANGGPT_EMBEDDINGS="minilm")
    assert config == GatewayConfig(local_embedding=folder)
    plan = mind_plan(read_settings())
    assert plan is not None
    assert (plan.talks, plan.embeds) == (False, True)
    assert plan.spec("token").talks is False


def test_beside_language_models_a_local_one_embeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "minilm")
    config = configured(monkeypatch, **AZURE, GANGGPT_EMBEDDINGS=str(folder))
    assert config is not None
    assert (set(config.deployments), config.local_embedding) == ({"azure-large"}, folder)
    plan = mind_plan(read_settings())
    assert plan is not None
    assert (plan.talks, plan.embeds) == (True, True)


def test_two_embedding_models_are_one_too_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    more = {**AZURE, "AZURE_OPENAI_EMBEDDING_DEPLOYMENT": "text-embedding-3-small"}
    problem = problem_of(monkeypatch, **more, GANGGPT_EMBEDDINGS=str(tiny_model(tmp_path / "minilm")))
    assert problem.variable == "GANGGPT_EMBEDDINGS"
    assert "azure-embedding is an embedding model too" in problem.problem


def test_a_folder_without_a_model_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    problem = problem_of(monkeypatch, GANGGPT_EMBEDDINGS=str(tmp_path / "nowhere"))
    assert (problem.variable, "there is no folder" in problem.problem) == ("GANGGPT_EMBEDDINGS", True)


def test_models_without_a_slot_for_dialogue_still_embed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = {**FILE["models"], "vec": {"provider": "west", "model": "text-embedding-3-small"}}
    path = written(tmp_path, models=models, slots={"politics": {"large": ["big"]}}, embedding=["vec"])
    configured(monkeypatch, GANGGPT_MODELS=path, AZURE_OPENAI_KEY="k")
    plan = mind_plan(read_settings())
    assert plan is not None
    assert (plan.talks, plan.embeds) == (False, True)
    configured(monkeypatch, GANGGPT_MODELS=written(tmp_path, slots={"politics": {"large": ["big"]}}))
    assert mind_plan(read_settings()) is None
