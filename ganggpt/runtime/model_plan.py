"""The config of the model gateway, derived from the settings."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import Any

from ganggpt.ai.gateway.gateway_config import (
    TIMEOUT_S,
    Budgets,
    GatewayConfig,
    ModelsFile,
    PriceEntry,
    Secrets,
    gateway_config,
    read_models,
    read_prices,
)
from ganggpt.ai.gateway.sentence_model import SETTING, find_model
from ganggpt.ai.guards.profiles import Rating
from ganggpt.ai.minds.model import MindSpec
from ganggpt.ai.minds.prompt_files import Prompts, read_prompts
from ganggpt.config import Settings
from ganggpt.domain.turn import MODEL_WAIT_S
from ganggpt.errors import ConfigInvalid, ConfigRejected
from ganggpt.runtime.proxies import check_proxies


def model_plan(settings: Settings) -> GatewayConfig | None:
    """The config of the gateway, or None if no model is configured or GANGGPT_AI is off. An embedding model of this
    machine does not count as asked: it is there also where GANGGPT_AI is off.

    Raises ConfigRejected with every mistake that can be known without asking a model.
    """
    plan = _asked_models(settings)
    if settings.embeddings_dir is None:
        return plan
    try:
        if plan is not None and plan.embedding:
            problem = f"it is set, and {plan.embedding[0]} is an embedding model too"
            raise ConfigInvalid(SETTING, problem, "Keep one: vectors of two models cannot be compared.")
        found = find_model(settings.embeddings_dir.expanduser().resolve())
    except ConfigInvalid as invalid:
        raise ConfigRejected((invalid,)) from None
    return replace(plan or GatewayConfig(), local_embedding=found.folder)


def _asked_models(settings: Settings) -> GatewayConfig | None:
    """The models that are asked over the network."""
    if settings.ai == "off":
        return None
    if settings.models_file is not None:
        models, source = read_models(settings.models_file), settings.models_file.name
    else:
        found = _from_variables(settings)
        if found is None:
            return None
        models, source = found, "the settings"
    prices = dict(read_prices(settings.prices_file))
    if settings.openai_base_url is not None:
        # A server of one's own; who pays for one says so in the models file.
        prices |= {model: PriceEntry(input=0) for model in _own_models(settings) if model not in prices}
    plan = gateway_config(
        models, prices, Secrets(keys_of(settings)), _budgets(settings), source=source, replicas=settings.ai_replicas
    )
    check_proxies(os.environ, {spec.endpoint.url for spec in plan.deployments.values()})
    return plan


@dataclass(frozen=True, slots=True)
class MindPlan:
    """How NPCs talk with a model; picklable, and holds no secret. ``embeds``: whether there is an embedding model;
    ``wait_s``: longest wait for an answer; ``talks``: whether there is a model that finds words."""

    prompts: Prompts
    rating: Rating
    embeds: bool = False
    wait_s: float = MODEL_WAIT_S
    talks: bool = True

    def spec(self, token: str) -> MindSpec:
        """The same with the secret for the marks in prompts, which is derived from the world's token."""
        secret = hashlib.sha256(b"marks in prompts" + token.encode()).digest()
        return MindSpec(self.prompts, self.rating, secret, self.embeds, self.wait_s, self.talks)


def mind_plan(settings: Settings) -> MindPlan | None:
    """How NPCs talk with a model, or None if none is configured for dialogue or embeddings. Raises as ``model_plan``
    does."""
    plan = model_plan(settings)
    if plan is None:
        return None
    talks, embeds = "dialogue" in plan.slots, bool(plan.embedding) or plan.local_embedding is not None
    return replace(words_of(settings), talks=talks, embeds=embeds) if talks or embeds else None


def words_of(settings: Settings) -> MindPlan:
    """How NPCs would talk with a model, whether or not there is one. Raises ConfigRejected."""
    return MindPlan(read_prompts(settings.prompts_dir), settings.rating, wait_s=settings.ai_wait_s)


def keys_of(settings: Settings) -> dict[str, str]:
    """The keys of models, by the name of their variable."""
    given = {"AZURE_OPENAI_KEY": settings.azure_openai_key, "OPENAI_API_KEY": settings.openai_api_key}
    return {name: secret.get_secret_value() for name, secret in given.items() if secret is not None}


def _from_variables(settings: Settings) -> ModelsFile | None:
    """The models that AZURE_OPENAI_* and OPENAI_* name: Azure first, the other one behind it. A call to one of them may
    take as long as an answer is waited for."""
    _complain_about_halves(settings)
    providers: dict[str, Any] = {}
    models: dict[str, Any] = {}
    large: list[str] = []
    small: list[str] = []
    embedding: list[str] = []
    if settings.azure_openai_endpoint is not None:
        providers["azure"] = {
            "kind": "azure",
            "url": settings.azure_openai_endpoint,
            "key": None if settings.azure_openai_entra else "AZURE_OPENAI_KEY",
            "api_version": settings.azure_openai_api_version,
            "entra": settings.azure_openai_entra,
        }
        rows = (
            ("azure-large", settings.azure_openai_deployment, large),
            ("azure-small", settings.azure_openai_small_deployment, small),
            ("azure-embedding", settings.azure_openai_embedding_deployment, embedding),
        )
        _add("azure", rows, models)
        behind = (
            ("azure-large", settings.azure_openai_model),
            ("azure-small", settings.azure_openai_small_model),
            ("azure-embedding", settings.azure_openai_embedding_model),
        )
        for name, family in behind:
            if name in models:
                models[name]["family"] = family
    if settings.openai_model is not None:
        own = settings.openai_base_url is not None
        providers["openai"] = {
            "kind": "compatible" if own else "openai",
            "url": settings.openai_base_url,
            "key": "OPENAI_API_KEY" if settings.openai_api_key is not None or not own else None,
            "token_field": None if own else "max_completion_tokens",
        }
        rows = (
            ("openai-large", settings.openai_model, large),
            ("openai-small", settings.openai_small_model, small),
            ("openai-embedding", settings.openai_embedding_model, embedding),
        )
        _add("openai", rows, models)
    if not models:
        return None
    for entry in models.values():
        entry["timeout_s"] = max(TIMEOUT_S, settings.ai_wait_s)
    # The cheap tasks go to the cheap model first, and to the other one only where there is none.
    cheap = {"large": [], "small": small} if small else {"large": large, "small": []}
    talk = {"large": large, "small": small}
    slots = {"dialogue": talk, "mission": talk, "politics": cheap, "summary": cheap}
    # One order of vectors must not change with the weather: only one model makes them.
    return ModelsFile.model_validate(
        {"providers": providers, "models": models, "slots": slots, "embedding": embedding[:1]}
    )


def _complain_about_halves(settings: Settings) -> None:
    problems = []
    if settings.azure_openai_endpoint is None and (settings.azure_openai_key or settings.azure_openai_entra):
        given = "AZURE_OPENAI_KEY" if settings.azure_openai_key else "AZURE_OPENAI_ENTRA"
        fix = f"Set it to the address of the resource, or take {given} out."
        problems.append(ConfigInvalid("AZURE_OPENAI_ENDPOINT", f"it is not set, but {given} is", fix))
    if settings.openai_base_url is not None and settings.openai_model is None:
        fix = "Name the model to ask there, or take OPENAI_BASE_URL out."
        problems.append(ConfigInvalid("OPENAI_MODEL", "it is not set, but OPENAI_BASE_URL is", fix))
    if problems:
        raise ConfigRejected(tuple(problems))


def _add(provider: str, rows: tuple[tuple[str, str | None, list[str]], ...], models: dict[str, Any]) -> None:
    for name, model, rung in rows:
        if model is not None:
            models[name] = {"provider": provider, "model": model}
            rung.append(name)


def _own_models(settings: Settings) -> tuple[str, ...]:
    named = (settings.openai_model, settings.openai_small_model, settings.openai_embedding_model)
    return tuple(model for model in named if model is not None)


def _budgets(settings: Settings) -> Budgets:
    """The budgets of the settings. A default gives way to a lower budget above it; what was set by hand does not."""

    def most(field: str, above: float) -> float:
        value: float = getattr(settings, field)
        return value if field in settings.model_fields_set else min(value, above)

    hour = most("budget_hour", settings.budget_day)
    kinds = {kind: {"hour": {"usd": most(f"budget_{kind}_hour", hour)}} for kind in ("player", "npc", "faction")}
    return Budgets.model_validate({"server": {"hour": {"usd": hour}, "day": {"usd": settings.budget_day}}, **kinds})
