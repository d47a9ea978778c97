"""The config of a gateway: which models there are, which task asks which of them, what they cost and what may be spent.

It is made of a models file (YAML, ``GANGGPT_MODELS``) or, without one, of the variables of the environment; and of the
price table. Every mistake in it is reported at once, at the start, with file and field.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ganggpt.ai.gateway.budget import PAYER_KINDS, WINDOW_S, BudgetUnit, Limit
from ganggpt.ai.gateway.copied_address import copied_whole
from ganggpt.ai.gateway.dialect import TokenField
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.provider import Counted, Effort
from ganggpt.ai.port import NANO_USD, SLOTS, Slot, Usage
from ganggpt.errors import ConfigInvalid, ConfigRejected
from ganggpt.setting_shapes import HttpUrl

SHIPPED_PRICES: Final = Path(__file__).with_name("prices.yaml")
USD_MAX: Final = 100_000.0
"""A larger budget is a mistake of units."""
_NANO_PER_TOKEN: Final = NANO_USD // 1_000_000
"""Nano-dollars a token costs at a price of one dollar for a million."""
_FILE_BYTES_MAX: Final = 1 << 20

T = TypeVar("T", bound=BaseModel)
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")]
Usd = Annotated[float, Field(ge=0, le=USD_MAX, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ProviderEntry(_Strict):
    """One provider of models. ``key``: the name of a secret setting; ``key_file``: a file with the key."""

    kind: Literal["azure", "openai", "compatible"]
    url: HttpUrl | None = None
    key: Literal["AZURE_OPENAI_KEY", "OPENAI_API_KEY"] | None = None
    key_file: Path | None = None
    api_version: str = Field("2024-10-21", pattern=r"^(v1|20\d\d-\d\d-\d\d(-preview)?)$")
    entra: bool = False
    token_field: TokenField | None = None


TIMEOUT_S: Final = 20.0
"""How long a model may take, unless its entry says otherwise."""
SILENCE_SLACK_S: Final = 10.0
"""How much longer a connection may be silent than its slowest model may take, so that the model's own limit ends a
call."""


class ModelEntry(_Strict):
    """One model at one provider, and its limits. ``price``: a name of the price table; unset: ``model``.

    ``family``: the model behind a deployment that is named otherwise. ``reasoning_effort`` and ``reasoning_tokens``: of
    a model that thinks before it answers; unset: low, and 2,000 tokens on top of the answer, where the name says it
    does.
    ``timeout_s``: for the whole answer; of a stream for each piece. ``wait_s``: longest wait for its rate limits.
    ``hedge_after_s``: ask the next model of the same rung too when there is no answer after this time; unset: never.
    """

    provider: str
    model: Name
    family: Name | None = None
    price: Name | None = None
    reasoning_effort: Effort | None = None
    reasoning_tokens: int | None = Field(None, ge=0, le=100_000)
    at_once: int = Field(256, ge=1, le=10_000)
    requests_per_min: float = Field(3000, gt=0, le=1e7)
    tokens_per_min: float = Field(2_000_000, gt=0, le=1e10)
    timeout_s: float = Field(TIMEOUT_S, gt=0, le=300)
    wait_s: float = Field(2, ge=0, le=60)
    tries: int = Field(2, ge=1, le=5)
    temperature: float | None = Field(None, ge=0, le=2)
    breaker_failures: int = Field(5, ge=1, le=1000)
    breaker_s: float = Field(20, gt=0, le=3600)
    hedge_after_s: float | None = Field(None, gt=0, le=60)


class SlotEntry(_Strict):
    """The ladder of a task: names of models, in the order in which they are asked."""

    large: tuple[str, ...] = ()
    small: tuple[str, ...] = ()


class Amounts(_Strict):
    """What may be spent in an hour or a day; unset: no limit of that unit."""

    usd: Usd | None = None
    tokens: int | None = Field(None, ge=0, le=10**15)
    calls: int | None = Field(None, ge=0, le=10**12)


class Windows(_Strict):
    """Limits of one kind of payer."""

    hour: Amounts = Amounts()
    day: Amounts = Amounts()


class Budgets(_Strict):
    """Limits by kind of payer."""

    server: Windows = Windows()
    player: Windows = Windows()
    npc: Windows = Windows()
    faction: Windows = Windows()


class ModelsFile(_Strict):
    """The whole file."""

    providers: dict[Name, ProviderEntry]
    models: dict[Name, ModelEntry]
    slots: dict[Slot, SlotEntry]
    embedding: tuple[str, ...] = ()
    budgets: Budgets | None = None


class PriceEntry(_Strict):
    """US dollars for a million tokens. ``cached``: of the prompt's tokens that the provider had cached."""

    input: Price
    output: Price = 0.0
    cached: Price | None = None

    def of(self, counted: Counted, *, known: bool = True) -> Usage:
        """What these tokens cost."""
        cached = self.input if self.cached is None else self.cached
        fresh = max(0, counted.tokens_in - counted.tokens_cached)
        dollars = fresh * self.input + counted.tokens_cached * cached + counted.tokens_out * self.output
        # Rounded up: a budget must not be passed by fractions.
        nano_usd = -int(-dollars * _NANO_PER_TOKEN // 1)
        return Usage(counted.tokens_in, counted.tokens_out, counted.tokens_cached, nano_usd, known)


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """One model with its provider, limits and price. ``name`` is ours, unique in the config."""

    name: str
    endpoint: Endpoint
    entry: ModelEntry
    price: PriceEntry


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys by the name of their variable."""

    keys: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything a gateway is configured with. Picklable; unless it is ``without_keys`` it is never logged or sent.
    ``local_embedding``: the folder of an embedding model that the gateway runs itself, instead of ``embedding``."""

    deployments: Mapping[str, DeploymentSpec] = field(default_factory=dict)
    slots: Mapping[Slot, SlotEntry] = field(default_factory=dict)
    embedding: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    local_embedding: Path | None = None

    def without_keys(self) -> GatewayConfig:
        """The same, but no provider has its key: what may be given to another process."""
        return self._with(lambda endpoint: replace(endpoint, key=None))

    def with_keys(self, secrets: Secrets) -> GatewayConfig:
        """The same with the keys of all providers. Raises ConfigInvalid where one cannot be had."""

        def unlocked(endpoint: Endpoint) -> Endpoint:
            found = _key_of(endpoint, secrets, endpoint.name)
            if isinstance(found, ConfigInvalid):
                raise found
            return replace(endpoint, key=found)

        return self._with(unlocked)

    def _with(self, change: Callable[[Endpoint], Endpoint]) -> GatewayConfig:
        # Models of one provider share it, and still do afterwards.
        changed: dict[str, Endpoint] = {}
        for spec in self.deployments.values():
            changed.setdefault(spec.endpoint.name, change(spec.endpoint))
        deployments = {
            name: replace(spec, endpoint=changed[spec.endpoint.name]) for name, spec in self.deployments.items()
        }
        return replace(self, deployments=deployments)


def read_models(path: Path) -> ModelsFile:
    """The models file. Raises ConfigRejected with every mistake."""
    return _read(path, ModelsFile, "GANGGPT_MODELS")


def read_prices(path: Path | None) -> Mapping[str, PriceEntry]:
    """The shipped price table, and over it the given one. Raises ConfigRejected."""
    prices = dict(_read_prices(SHIPPED_PRICES))
    if path is not None:
        prices |= _read_prices(path)
    return prices


def gateway_config(
    models: ModelsFile,
    prices: Mapping[str, PriceEntry],
    secrets: Secrets,
    budgets: Budgets,
    *,
    source: str,
    replicas: int = 1,
) -> GatewayConfig:
    """The config of a gateway. ``budgets``: of the settings; those of the models file replace them where it has some.
    Rate limits are divided among ``replicas``. Raises ConfigRejected with every mistake."""
    problems: list[ConfigInvalid] = []
    endpoints = {}
    for name, provider in models.providers.items():
        found = _endpoint(name, provider, secrets, f"{source}: providers.{name}")
        may_take = [entry.timeout_s for entry in models.models.values() if entry.provider == name]
        if isinstance(found, Endpoint):
            endpoints[name] = replace(found, timeout_s=max((TIMEOUT_S, *may_take)) + SILENCE_SLACK_S)
        else:
            problems.append(found)
    deployments = {}
    for name, entry in models.models.items():
        where = f"{source}: models.{name}"
        if entry.provider not in models.providers:
            problems.append(_unknown(f"{where}.provider", entry.provider, models.providers))
            continue
        price = _price_of(entry, prices)
        if price is None:
            wanted = entry.price or entry.family or entry.model
            problems.append(
                ConfigInvalid(f"{where}.price", f"the price table has no {wanted!r}", _price_fix(wanted, name))
            )
        elif entry.provider in endpoints:
            deployments[name] = DeploymentSpec(name, endpoints[entry.provider], _shared(entry, replicas), price)
    for where, names in _named_models(models, source):
        problems += [_unknown(where, name, models.models) for name in names if name not in models.models]
    problems += [
        ConfigInvalid(f"{source}: slots.{slot}", "it names no model", "Name one under large or small, or leave it out.")
        for slot, entry in models.slots.items()
        if not entry.large and not entry.small
    ]
    chosen = budgets if models.budgets is None else models.budgets
    problems += _absurd(chosen, source if models.budgets is not None else "")
    if problems:
        raise ConfigRejected(tuple(problems))
    return GatewayConfig(deployments, dict(models.slots), models.embedding, limits_of(chosen))


def limits_of(budgets: Budgets) -> tuple[Limit, ...]:
    """Budgets as limits."""
    limits = []
    for kind in PAYER_KINDS:
        windows: Windows = getattr(budgets, kind)
        for window in WINDOW_S:
            amounts: Amounts = getattr(windows, window)
            usd = None if amounts.usd is None else int(amounts.usd * NANO_USD)
            units: dict[BudgetUnit, int | None] = {"nano_usd": usd, "tokens": amounts.tokens, "calls": amounts.calls}
            limits += [Limit(kind, window, unit, most) for unit, most in units.items() if most is not None]
    return tuple(limits)


def _absurd(budgets: Budgets, source: str) -> Iterator[ConfigInvalid]:
    """Budgets that must be a mistake: an hour with more than its day, one payer with more than the server."""
    for kind in PAYER_KINDS:
        windows: Windows = getattr(budgets, kind)
        variable = "GANGGPT_BUDGET_HOUR" if kind == "server" else f"GANGGPT_BUDGET_{kind.upper()}_HOUR"
        where = f"{source}: budgets.{kind}" if source else variable
        for unit in ("usd", "tokens", "calls"):
            hour, day = getattr(windows.hour, unit), getattr(windows.day, unit)
            if hour is not None and day is not None and hour > day:
                yield ConfigInvalid(where, f"an hour has {hour} {unit}, its day only {day}", "Lower the hour.")
            for window, most in (("hour", hour), ("day", day)):
                server = getattr(getattr(budgets.server, window), unit)
                if kind != "server" and most is not None and server is not None and most > server:
                    problem = f"one {kind} may spend {most} {unit} in a {window}, the whole server only {server}"
                    yield ConfigInvalid(where, problem, "Lower it, or raise the server's.")


def _endpoint(name: str, entry: ProviderEntry, secrets: Secrets, where: str) -> Endpoint | ConfigInvalid:
    if entry.kind == "openai":
        url = entry.url or "https://api.openai.com/v1"
    elif entry.url is None:
        variable = "AZURE_OPENAI_ENDPOINT" if entry.kind == "azure" else "OPENAI_BASE_URL"
        return ConfigInvalid(f"{where}.url", "it is missing", f"Give the address of the server ({variable}).")
    else:
        url = entry.url
    if (copied := copied_whole(entry.kind, url)) is not None:
        variable = "AZURE_OPENAI_ENDPOINT" if entry.kind == "azure" else "OPENAI_BASE_URL"
        fix = f"Set it ({variable} or the url of the models file) to {copied.base}; each call puts the rest behind it."
        return ConfigInvalid(f"{where}.url", f"it goes on with {copied.tail}", fix)
    endpoint = Endpoint(
        entry.kind,
        name,
        url,
        None,
        entry.api_version,
        entry.entra,
        token_field=entry.token_field,
        key_name=entry.key,
        key_file=entry.key_file,
    )
    key = _key_of(endpoint, secrets, where)
    return key if isinstance(key, ConfigInvalid) else replace(endpoint, key=key)


def _key_of(endpoint: Endpoint, secrets: Secrets, where: str) -> str | ConfigInvalid | None:
    """The key of a provider from its file or variable; None where it needs none."""
    key = None
    if endpoint.key_file is not None:
        try:
            key = endpoint.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as unread:
            return ConfigInvalid(f"{where}.key_file", f"it cannot be read: {unread}", "Point it to a readable file.")
    elif endpoint.key_name is not None:
        key = secrets.keys.get(endpoint.key_name)
        if key is None and not endpoint.entra:
            return ConfigInvalid(endpoint.key_name, "it is not set", f"Set it, or take it out of {where}.")
    if not key and not endpoint.entra and endpoint.kind != "compatible":
        wanted = "AZURE_OPENAI_KEY" if endpoint.kind == "azure" else "OPENAI_API_KEY"
        return ConfigInvalid(wanted, "the key is missing", "Set it (or its file), or AZURE_OPENAI_ENTRA for Entra ID.")
    return key


def _price_fix(wanted: str, name: str) -> str:
    """How a model gets its price. ``name``: of its entry, which the variables of a deployment make."""
    behind = _BEHIND.get(name)
    named = "set its `price` to a name that is there" if behind is None else f"name the model behind it in {behind}"
    return f"Add {wanted!r} to the file GANGGPT_PRICES names, or {named}."


_BEHIND: Final = {
    "azure-large": "AZURE_OPENAI_MODEL",
    "azure-small": "AZURE_OPENAI_SMALL_MODEL",
    "azure-embedding": "AZURE_OPENAI_EMBEDDING_MODEL",
}
"""The variable for the model behind a deployment, by the entry that the variables of the deployment make."""


def _price_of(entry: ModelEntry, prices: Mapping[str, PriceEntry]) -> PriceEntry | None:
    """The price by the given name; else by the model's name, or by the longest prefix of it before a date: dated
    versions cost what their model costs."""
    if entry.price is not None:
        return prices.get(entry.price)
    model = entry.family or entry.model
    starts = [name for name in prices if model == name or model.startswith(f"{name}-20")]
    return prices[max(starts, key=len)] if starts else None


def _shared(entry: ModelEntry, replicas: int) -> ModelEntry:
    if replicas == 1:
        return entry
    parts = {
        "requests_per_min": entry.requests_per_min / replicas,
        "tokens_per_min": entry.tokens_per_min / replicas,
        "at_once": max(1, entry.at_once // replicas),
    }
    return entry.model_copy(update=parts)


def _named_models(models: ModelsFile, source: str) -> Iterator[tuple[str, Sequence[str]]]:
    for slot in SLOTS:
        if slot in models.slots:
            yield f"{source}: slots.{slot}.large", models.slots[slot].large
            yield f"{source}: slots.{slot}.small", models.slots[slot].small
    yield f"{source}: embedding", models.embedding


def _unknown(where: str, name: str, known: Mapping[str, Any]) -> ConfigInvalid:
    close = difflib.get_close_matches(name, list(known), 1)
    hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(known) or 'none'}."
    return ConfigInvalid(where, f"there is no {name!r}", hint)


def _read_prices(path: Path) -> Mapping[str, PriceEntry]:
    class Prices(_Strict):
        prices: dict[Name, PriceEntry]

    return _read(path, Prices, "GANGGPT_PRICES").prices


def _read(path: Path, shape: type[T], variable: str) -> T:
    try:
        raw = path.read_bytes()[: _FILE_BYTES_MAX + 1]
        found = yaml.safe_load(raw.decode())
    except OSError as unread:
        raise _rejected(variable, f"{path} cannot be read: {unread.strerror}", "Point it to a readable file.") from None
    except UnicodeDecodeError:
        raise _rejected(variable, f"{path} is not UTF-8 text", "Save it as UTF-8.") from None
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(broken, "problem", None) or "it cannot be parsed"
        raise _rejected(variable, f"{path}{line} is not YAML: {problem}", "Correct that line.") from None
    if len(raw) > _FILE_BYTES_MAX:
        raise _rejected(variable, f"{path} has more than {_FILE_BYTES_MAX} bytes", "Point it to the right file.")
    try:
        return shape.model_validate({} if found is None else found)
    except ValidationError as invalid:
        raise ConfigRejected(
            tuple(
                ConfigInvalid(
                    f"{path.name}: {'.'.join(map(str, error['loc'])) or 'the file'}",
                    error["msg"],
                    "See docs/MODELS.md for the file.",
                )
                for error in invalid.errors(include_url=False, include_input=False, include_context=False)
            )
        ) from None


def _rejected(variable: str, problem: str, fix: str) -> ConfigRejected:
    return ConfigRejected((ConfigInvalid(variable, problem, fix),))
