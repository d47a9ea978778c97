"""All settings of GangGPT, read once by the composition root from the environment and an env file.

One field is one variable; ``docs/CONFIGURATION.md`` and ``.env.example`` are generated from here. A secret may also
come from a mounted file: ``<NAME>_FILE`` holds its path. All problems are reported at once, each with the variable,
what is wrong with it, and the fix.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ganggpt.env_file import (
    is_meant_for_us_in_a_file,
    is_meant_for_us_in_the_environment,
    misspelled,
    read_env_file,
)
from ganggpt.errors import ConfigInvalid, ConfigRejected
from ganggpt.setting_shapes import (
    DatabaseUrl,
    Folder,
    FreePort,
    HeaderSecret,
    HttpUrl,
    Port,
    RedisUrl,
    Usd,
    WebSocketUrl,
    as_written,
    fits_a_header,
)

ENV_FILE: Final = Path(".env")
_SECRET_FILE_BYTES_MAX: Final = 64 * 1024
TOKEN_LENGTH_MIN: Final = 16


def _setting(variable: str, group: str, why: str, shape: str, example: str = "") -> dict[str, Any]:
    return {
        "validation_alias": variable,
        "description": why,
        "json_schema_extra": {"group": group, "shape": shape, "example": example},
    }


_SERVER, _DATABASE, _REDIS = "Server", "Database", "Redis"
_USD = "US dollars, 0 to 100000"
_MODELS = "Models"
_AI, _CLOUD, _SECURITY, _MONITORING = "Azure OpenAI", "Google Cloud", "Security", "Monitoring"
_WORLD, _RUNTIME, _WAITS, _RETENTION = "World", "Runtime", "Waits", "Retention"


class Settings(BaseSettings):
    """Owns every setting. Immutable and picklable; read it with ``read_settings``, never in another module."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    server_port: FreePort = Field(
        22005,
        **_setting(
            "SERVER_PORT",
            _SERVER,
            "Port of the bridge: WebSocket, REST, /health and /metrics; unset, a free one where 22005 is in use.",
            "port; 0 picks a free one",
        ),
    )
    # The token guards the bridge, and game servers are on other machines too.
    server_host: Literal["0.0.0.0", "127.0.0.1"] = Field(  # noqa: S104
        "0.0.0.0",  # noqa: S104
        **_setting(
            "SERVER_HOST", _SERVER,
            "Where the bridge listens: on all addresses, or for this machine alone. All else listens there alone.",
            "0.0.0.0 or 127.0.0.1",
        ),
    )  # fmt: skip
    server_name: str = Field(
        "GangGPT Server", min_length=1, max_length=100,
        **_setting("SERVER_NAME", _SERVER, "Name shown to people.", "1 to 100 characters"),
    )  # fmt: skip
    max_players: int = Field(
        128, ge=1, le=10_000, **_setting("MAX_PLAYERS", _SERVER, "Players a game server may hold.", "1 to 10000")
    )
    tickrate: int = Field(
        60, ge=1, le=240, **_setting("TICKRATE", _SERVER, "Ticks per second of the game server.", "1 to 240")
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        **_setting(
            "CORS_ORIGINS", _SECURITY, "Web origins that may call REST from a browser.", "origins with commas between",
            "https://ganggpt.example,https://admin.ganggpt.example",
        ),
    )  # fmt: skip

    database_url: DatabaseUrl | None = Field(
        None,
        **_setting(
            "DATABASE_URL", _DATABASE, "Postgres to use; unset starts the embedded one.", "postgresql://…",
            "postgresql://ganggpt:secret@db:5432/ganggpt",
        ),
    )  # fmt: skip
    database_pool_size: int | None = Field(
        None, ge=2, le=20_000,
        **_setting(
            "DATABASE_POOL_SIZE", _DATABASE,
            "Most connections over all processes of one runtime, jobs and commands included; unset is 20, or what its "
            "processes need at least.", "2 to 20000",
        ),
    )  # fmt: skip
    database_timeout_ms: int = Field(
        30_000, ge=100, le=600_000,
        **_setting("DATABASE_TIMEOUT", _DATABASE, "Longest wait for one statement.", "milliseconds, 100 to 600000"),
    )  # fmt: skip
    pgbouncer: bool = Field(
        False,
        **_setting("GANGGPT_PGBOUNCER", _DATABASE, "DATABASE_URL is a PgBouncer in transaction mode.", "true or false"),
    )

    redis_url: RedisUrl | None = Field(
        None,
        **_setting(
            "REDIS_URL", _REDIS, "Redis to use; unset starts the embedded one.",
            "redis://…, rediss://… (TLS), redis+cluster://…, rediss+cluster://… or unix://…", "redis://redis:6379",
        ),
    )  # fmt: skip
    redis_password: SecretStr | None = Field(
        None, **_setting("REDIS_PASSWORD", _REDIS, "Password of Redis, when REDIS_URL has none.", "text")
    )
    redis_ca: Path | None = Field(
        None,
        **_setting(
            "REDIS_CA", _REDIS,
            "Authority that signed the certificate of Redis; unset: any that the machine trusts.", "path of a PEM file",
            "/etc/ganggpt/redis-ca.pem",
        ),
    )  # fmt: skip
    redis_ttl_s: int = Field(
        3600, ge=1, le=604_800, **_setting("REDIS_TTL", _REDIS, "Life of a cached value.", "seconds, 1 to 604800")
    )

    azure_openai_endpoint: HttpUrl | None = Field(
        None,
        **_setting(
            "AZURE_OPENAI_ENDPOINT", _AI, "Endpoint of the language model; unset keeps the scripted mind.", "https://…",
            "https://ganggpt.openai.azure.com/",
        ),
    )  # fmt: skip
    azure_openai_key: HeaderSecret | None = Field(
        None, **_setting("AZURE_OPENAI_KEY", _AI, "Key of that endpoint.", "text")
    )
    azure_openai_deployment: str = Field(
        "gpt-4-turbo", min_length=1, **_setting("AZURE_OPENAI_DEPLOYMENT", _AI, "Deployment to ask.", "text")
    )
    azure_openai_small_deployment: str | None = Field(
        None, min_length=1,
        **_setting(
            "AZURE_OPENAI_SMALL_DEPLOYMENT", _AI,
            "Cheaper deployment: for summaries and politics, and when the other one fails or costs too much.",
            "text", "gpt-4o-mini",
        ),
    )  # fmt: skip
    azure_openai_embedding_deployment: str | None = Field(
        None, min_length=1,
        **_setting(
            "AZURE_OPENAI_EMBEDDING_DEPLOYMENT", _AI, "Deployment of an embedding model; unset: no vectors.", "text",
            "text-embedding-3-small",
        ),
    )  # fmt: skip
    azure_openai_model: str | None = Field(
        None, min_length=1,
        **_setting(
            "AZURE_OPENAI_MODEL", _AI, "Model behind a deployment that is named otherwise: its price, how it is asked.",
            "text", "gpt-5-mini",
        ),
    )  # fmt: skip
    azure_openai_small_model: str | None = Field(
        None, min_length=1,
        **_setting("AZURE_OPENAI_SMALL_MODEL", _AI, "The same of the cheaper deployment.", "text", "gpt-4o-mini"),
    )  # fmt: skip
    azure_openai_embedding_model: str | None = Field(
        None, min_length=1,
        **_setting(
            "AZURE_OPENAI_EMBEDDING_MODEL", _AI, "The same of the embedding deployment.", "text",
            "text-embedding-3-small",
        ),
    )  # fmt: skip
    azure_openai_api_version: str = Field(
        "2024-10-21", pattern=r"^(v1|20\d\d-\d\d-\d\d(-preview)?)$",
        **_setting("AZURE_OPENAI_API_VERSION", _AI, "API version of that endpoint.", "v1, or a date (2024-10-21)"),
    )  # fmt: skip
    azure_openai_entra: bool = Field(
        False,
        **_setting(
            "AZURE_OPENAI_ENTRA", _AI, "Sign in with Entra ID instead of a key (needs `ganggpt[entra]`).",
            "true or false",
        ),
    )  # fmt: skip
    openai_api_key: HeaderSecret | None = Field(
        None, **_setting("OPENAI_API_KEY", _MODELS, "Key of OpenAI, or of a server that speaks its protocol.", "text")
    )
    openai_base_url: HttpUrl | None = Field(
        None,
        **_setting(
            "OPENAI_BASE_URL", _MODELS,
            "Another server with OpenAI's protocol (vLLM, Ollama, llama.cpp, Ray Serve LLM); its answers cost nothing.",
            "https://…", "http://localhost:11434/v1",
        ),
    )  # fmt: skip
    openai_model: str | None = Field(
        None, min_length=1,
        **_setting("OPENAI_MODEL", _MODELS, "Model to ask there; unset: no model is used.", "text", "gpt-4.1"),
    )  # fmt: skip
    openai_small_model: str | None = Field(
        None, min_length=1, **_setting("OPENAI_SMALL_MODEL", _MODELS, "Cheaper model there.", "text", "gpt-4.1-mini")
    )
    openai_embedding_model: str | None = Field(
        None, min_length=1,
        **_setting("OPENAI_EMBEDDING_MODEL", _MODELS, "Embedding model there.", "text", "text-embedding-3-small"),
    )  # fmt: skip
    embeddings_dir: Folder | None = Field(
        None,
        **_setting(
            "GANGGPT_EMBEDDINGS", _MODELS,
            "Folder of a sentence-embedding model that runs here (model.onnx, tokenizer.json; needs "
            "`ganggpt[embeddings]`); unset: none.", "path", "models/minilm",
        ),
    )  # fmt: skip
    ai: Literal["on", "off"] = Field(
        "on",
        **_setting(
            "GANGGPT_AI", _MODELS, "off: model calls are disabled, whatever `ganggpt ai on` sets.", "on or off"
        ),
    )  # fmt: skip
    ai_wait_s: float = Field(
        12.0, ge=2, le=100,
        **_setting(
            "GANGGPT_AI_WAIT", _MODELS, "Longest wait for a model's whole answer; after it the scripted mind speaks.",
            "seconds, 2 to 100",
        ),
    )  # fmt: skip
    models_file: Path | None = Field(
        None,
        **_setting(
            "GANGGPT_MODELS", _MODELS, "File of providers, models, slots, budgets; unset: made from these variables.",
            "path of a YAML file (docs/MODELS.md)", "models.yaml",
        ),
    )  # fmt: skip
    prices_file: Path | None = Field(
        None,
        **_setting(
            "GANGGPT_PRICES", _MODELS, "Prices that are added to the shipped table.", "path of a YAML file",
            "prices.yaml",
        ),
    )  # fmt: skip
    prompts_dir: Path | None = Field(
        None,
        **_setting("GANGGPT_PROMPTS", _MODELS, "Folder of prompts that replace the shipped ones.", "path", "prompts"),
    )  # fmt: skip
    ai_replicas: int = Field(
        1, ge=1, le=64,
        **_setting("GANGGPT_AI_REPLICAS", _MODELS, "Processes of the gateway; several need Redis.", "1 to 64"),
    )  # fmt: skip
    ai_record_days: int = Field(
        7, ge=0, le=3650,
        **_setting(
            "GANGGPT_AI_RECORD_DAYS", _MODELS, "Days prompts and answers are kept to explain and replay; 0: never.",
            "days, 0 to 3650",
        ),
    )  # fmt: skip
    budget_hour: Usd = Field(
        2.0, **_setting("GANGGPT_BUDGET_HOUR", _MODELS, "The most the server spends in an hour.", _USD)
    )
    budget_day: Usd = Field(
        20.0, **_setting("GANGGPT_BUDGET_DAY", _MODELS, "The most the server spends in a day.", _USD)
    )
    budget_player_hour: Usd = Field(
        0.25, **_setting("GANGGPT_BUDGET_PLAYER_HOUR", _MODELS, "The most it spends for one player in an hour.", _USD)
    )
    budget_npc_hour: Usd = Field(
        0.25, **_setting("GANGGPT_BUDGET_NPC_HOUR", _MODELS, "The most for one NPC or companion in an hour.", _USD)
    )
    budget_faction_hour: Usd = Field(
        0.5, **_setting("GANGGPT_BUDGET_FACTION_HOUR", _MODELS, "The most for one faction in an hour.", _USD)
    )

    rating: Literal["teen", "mature"] = Field(
        "mature",
        **_setting(
            "GANGGPT_RATING", _AI, "What the people of the world may say; crime talk is allowed in both.",
            "teen or mature",
        ),
    )  # fmt: skip

    google_cloud_project: str | None = Field(
        None, **_setting("GOOGLE_CLOUD_PROJECT", _CLOUD, "Project of buckets and logs.", "project id", "ganggpt-prod")
    )
    google_application_credentials: Path | None = Field(
        None,
        **_setting(
            "GOOGLE_APPLICATION_CREDENTIALS", _CLOUD, "Key file of the service account.", "path of a JSON file",
            "/path/to/service-account.json",
        ),
    )  # fmt: skip

    token: SecretStr | None = Field(
        None,
        **_setting(
            "GANGGPT_TOKEN", _SECURITY,
            "Bearer token of the bridge; unset makes one in the data dir. To replace it: the new one, a comma, the old "
            "one.", "16 characters or more; several with commas between", "",
        ),
    )  # fmt: skip
    jwt_secret: SecretStr | None = Field(
        None, **_setting("JWT_SECRET", _SECURITY, "Signs the tokens of player accounts.", "text")
    )
    encryption_key: SecretStr | None = Field(
        None, **_setting("ENCRYPTION_KEY", _SECURITY, "Encrypts memory content at rest.", "text")
    )

    prometheus_port: Port = Field(
        9090, **_setting("PROMETHEUS_PORT", _MONITORING, "Port of Prometheus in compose.yaml.", "port")
    )
    grafana_port: Port = Field(
        3001, **_setting("GRAFANA_PORT", _MONITORING, "Port of Grafana in compose.yaml.", "port")
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", **_setting("LOG_LEVEL", _MONITORING, "Lowest level that is logged.", "debug, info, warning or error")
    )

    world: Folder = Field(
        Path("worlds/los-santos"), **_setting("GANGGPT_WORLD", _WORLD, "Folder of the world files.", "path")
    )
    data_dir: Folder = Field(
        Path(".ganggpt"),
        **_setting("GANGGPT_DATA_DIR", _WORLD, "Where embedded stores, token and state of a run are.", "path"),
    )
    shards: int = Field(
        256, ge=1, le=65_536,
        **_setting("GANGGPT_SHARDS", _WORLD, "Shards of a new world; fixed from then on.", "1 to 65536"),
    )  # fmt: skip
    residence: Literal["auto", "own", "shared"] = Field(
        "auto",
        **_setting("GANGGPT_RESIDENCE", _WORLD, "Which actors get a process of their own.", "auto, own or shared"),
    )

    hosts: int | None = Field(
        None, ge=1, le=1024,
        **_setting("GANGGPT_HOSTS", _RUNTIME, "Shared hosts; unset is half the CPUs, at least 2.", "1 to 1024"),
    )  # fmt: skip
    hosts_max: int | None = Field(
        None, ge=1, le=1024,
        **_setting(
            "GANGGPT_HOSTS_MAX", _RUNTIME, "Most shared hosts under load; unset: one per CPU, at least GANGGPT_HOSTS.",
            "1 to 1024",
        ),
    )  # fmt: skip
    hosts_idle_s: float = Field(
        300.0, ge=1, le=86_400,
        **_setting(
            "GANGGPT_HOSTS_IDLE", _RUNTIME, "A shared host ends when fewer have been enough for this long.",
            "seconds, 1 to 86400",
        ),
    )  # fmt: skip
    host_turns: int = Field(
        6000, ge=1, le=1_000_000,
        **_setting(
            "GANGGPT_HOST_TURNS", _RUNTIME, "Turns a second a shared host should carry; over it hosts are added.",
            "1 to 1000000",
        ),
    )  # fmt: skip
    host_cpus: float = Field(
        0.5, ge=0.01, le=64,
        **_setting(
            "GANGGPT_HOST_CPUS", _RUNTIME, "CPUs a shared host asks Ray for; one that finds none makes Ray add a node.",
            "0.01 to 64",
        ),
    )  # fmt: skip
    cluster: str = Field(
        "local", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        **_setting(
            "GANGGPT_CLUSTER", _RUNTIME, "Name of this Ray cluster among those that share the database.",
            "1 to 63 small letters, digits and dashes", "ganggpt-blue",
        ),
    )  # fmt: skip
    bridge_url: WebSocketUrl | None = Field(
        None,
        **_setting(
            "GANGGPT_BRIDGE_URL", _RUNTIME, "Where game servers reach the bridge of this cluster.", "ws://… or wss://…",
            "wss://blue.ganggpt.example/v1/bridge",
        ),
    )  # fmt: skip
    own_actors_max: int | None = Field(
        None, ge=0, le=10_000,
        **_setting(
            "GANGGPT_OWN_ACTORS_MAX", _RUNTIME,
            "Processes of their own under `auto`; unset is 8 % of memory in steps of 75 MiB, at most 2 per CPU.",
            "0 to 10000",
        ),
    )  # fmt: skip
    ray_address: str | None = Field(
        None,
        pattern=r"^(auto|[^\s/@:]+:[0-9]{1,5}|\[[0-9a-fA-F:.]+\]:[0-9]{1,5})$",
        **_setting(
            "RAY_ADDRESS", _RUNTIME, "Ray cluster to join; unset starts a local one.", "host:port or auto", "auto"
        ),
    )
    dashboard_port: FreePort = Field(
        8265,
        **_setting(
            "GANGGPT_DASHBOARD_PORT",
            _RUNTIME,
            "Port of the Ray dashboard; where it is in use, a free one.",
            "port; 0 picks a free one",
        ),
    )
    start_timeout_s: float = Field(
        120.0,
        gt=0,
        le=3600,
        **_setting("GANGGPT_START_TIMEOUT", _WAITS, "Longest wait for one part to start.", "seconds"),
    )
    drain_timeout_s: float = Field(
        30.0, gt=0, le=3600, **_setting("GANGGPT_DRAIN_TIMEOUT", _WAITS, "Longest wait for hosts to drain.", "seconds")
    )
    command_timeout_s: float = Field(
        15.0, gt=0, le=600,
        **_setting("GANGGPT_COMMAND_TIMEOUT", _WAITS, "A command is answered at the latest after this.", "seconds"),
    )  # fmt: skip
    new_actors_per_s: float = Field(
        200.0, gt=0, le=100_000,
        **_setting(
            "GANGGPT_NEW_ACTORS_PER_S", _WAITS,
            "New actors of one kind a second, in the whole world; ten seconds' worth at once. More are `overloaded`.",
            "number above 0",
        ),
    )  # fmt: skip
    lease_s: float = Field(
        10.0, ge=1, le=600,
        **_setting("GANGGPT_LEASE", _WAITS, "A host that is silent for longer loses its shards.", "seconds, 1 to 600"),
    )  # fmt: skip

    journal_days: int = Field(
        14, ge=2, le=3650,
        **_setting(
            "GANGGPT_JOURNAL_DAYS", _RETENTION,
            "Days of turns the journal keeps; older ones go once a snapshot covers them.", "days, 2 to 3650",
        ),
    )  # fmt: skip
    memory_months: int = Field(
        3, ge=1, le=1200,
        **_setting(
            "GANGGPT_MEMORY_MONTHS", _RETENTION,
            "Months of npc_memories with a part of their own; older memories that are still held share one.",
            "months, 1 to 1200",
        ),
    )  # fmt: skip
    mission_days: int = Field(
        90, ge=1, le=3650,
        **_setting("GANGGPT_MISSION_DAYS", _RETENTION, "Days an ended mission is kept.", "days, 1 to 3650"),
    )  # fmt: skip
    away_days: int = Field(
        30, ge=1, le=3650,
        **_setting(
            "GANGGPT_AWAY_DAYS", _RETENTION,
            "Days a push waits for its game server, and a game server that is not seen is remembered.",
            "days, 1 to 3650",
        ),
    )  # fmt: skip

    @field_validator("token")
    @classmethod
    def _long_tokens(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and min(map(len, tokens_of(given.get_secret_value())), default=0) < TOKEN_LENGTH_MIN:
            raise ValueError(f"a token is shorter than {TOKEN_LENGTH_MIN} characters, so it can be guessed")
        for token in () if given is None else tokens_of(given.get_secret_value()):
            fits_a_header(SecretStr(token))
        return given

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        if isinstance(given, str):
            given = tuple(origin.strip() for origin in given.split(",") if origin.strip())
        for origin in given if isinstance(given, tuple) else ():
            if not re.fullmatch(r"https?://[^/\s]+|\*", str(origin)):
                raise ValueError(f"{str(origin)[:80]!r} is not an origin such as https://ganggpt.example")
        return given

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, given: object) -> object:
        return as_written(given)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the name pydantic-settings calls it by
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options of the command line override the environment, which overrides the env file, then secret files."""
        assert isinstance(env_settings, EnvSettingsSource)
        file = _EnvFileSource(settings_cls)
        given = {**file.env_vars, **env_settings.env_vars}
        return init_settings, env_settings, file, SecretFiles(settings_cls, given)


_in_the_env_file: Final[ContextVar[Mapping[str, str | None] | None]] = ContextVar("in_the_env_file", default=None)
"""What ``read_settings`` read there, by name in small letters."""


class _EnvFileSource(EnvSettingsSource):
    """The env file, which ``read_settings`` reads before: the library's own source fails where it is not UTF-8."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in (_in_the_env_file.get() or {}).items() if value}


class SecretFiles(PydanticBaseSettingsSource):
    """Reads secrets from the files that ``<NAME>_FILE`` variables point to. ``given``: variables in small letters. What
    cannot be read is left out; ``problems`` tells why."""

    def __init__(self, settings_cls: type[BaseSettings], given: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._given = given

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's shape
        """The content of the field's file, or None. Raises ConfigInvalid."""
        variable = str(field.validation_alias)
        name = f"{variable}_FILE"
        path = (self._given.get(name.lower()) or "").strip()
        if not path or not is_secret(field):
            return None, variable, False
        if self._given.get(variable.lower()):
            raise ConfigInvalid(name, f"{variable} is set too", "Keep one of the two.")
        # The path is not shown: somebody may have written the secret itself there.
        try:
            with Path(path).open("rb") as file:
                raw = file.read(_SECRET_FILE_BYTES_MAX + 1)
            text = raw.decode("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as failed:
            why = failed.strerror if isinstance(failed, OSError) else "it is not UTF-8 text"
            fix = "It is the path of a readable file with nothing but the secret."
            raise ConfigInvalid(name, f"the file that it names cannot be read: {why}", fix) from None
        if not text or len(raw) > _SECRET_FILE_BYTES_MAX:
            problem = f"the file that it names is {'too large' if text else 'empty'}"
            raise ConfigInvalid(name, problem, "Put only the secret into it.")
        return text, variable, False

    def __call__(self) -> dict[str, Any]:
        return self._read()[0]

    def problems(self) -> list[ConfigInvalid]:
        """What is wrong with the files."""
        return self._read()[1]

    def _read(self) -> tuple[dict[str, Any], list[ConfigInvalid]]:
        values: dict[str, Any] = {}
        problems: list[ConfigInvalid] = []
        for field_name, field in self.settings_cls.model_fields.items():
            try:
                value, key, _ = self.get_field_value(field, field_name)
            except ConfigInvalid as problem:
                problems.append(problem)
                continue
            if value is not None:
                values[key] = value
        return values, problems


def read_settings(env_file: Path | None = None, **options: Any) -> Settings:
    """Read all settings. ``env_file`` must exist when given; otherwise ``.env`` is read where it exists. ``options``
    are settings by field name that the command line set (None means not set). Raises ConfigRejected."""
    file, problems = _read_file(env_file)
    problems += _misspelled(os.environ, "the environment", is_meant_for_us_in_the_environment)
    given = {name.lower(): value for name, value in (*file.items(), *os.environ.items())}
    problems += SecretFiles(Settings, given).problems()
    reading = _in_the_env_file.set(file)
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as invalid:
        raise ConfigRejected((*problems, *_problems_of(invalid))) from None
    finally:
        _in_the_env_file.reset(reading)
    if problems:
        raise ConfigRejected(tuple(problems))
    return settings


def tokens_of(text: str) -> tuple[str, ...]:
    """The bearer tokens of GANGGPT_TOKEN: all are accepted, and the first is the one to hand out."""
    return tuple(token.strip() for token in text.split(",") if token.strip())


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of a field is hidden and may come from a file."""
    return "SecretStr" in repr(field.annotation)


def variable_of(field_name: str) -> str:
    """The environment variable of a field."""
    return str(Settings.model_fields[field_name].validation_alias)


def _read_file(named: Path | None) -> tuple[Mapping[str, str | None], list[ConfigInvalid]]:
    """The env file's variables, and what is wrong with it and its names."""
    file, where = named or ENV_FILE, "--env-file" if named is not None else str(ENV_FILE)
    if file.is_file() or file.is_fifo():
        read = read_env_file(file)
        problems = [ConfigInvalid(where, f"{file}: {problem}", fix) for problem, fix in read.problems]
        return read.values, problems + _misspelled(read.values, str(file), is_meant_for_us_in_a_file)
    if file.exists():
        return {}, [ConfigInvalid(where, f"{file} is not a file, so no setting is read from it", "Rename it.")]
    if named is not None:
        return {}, [ConfigInvalid(where, f"{file} does not exist", "Copy .env.example to it.")]
    return {}, []


def _problems_of(invalid: ValidationError) -> Iterator[ConfigInvalid]:
    by_variable = {variable_of(name): field for name, field in Settings.model_fields.items()} | Settings.model_fields
    for error in invalid.errors(include_url=False, include_input=False, include_context=False):
        name = str(error["loc"][0])
        field = by_variable[name]
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        problem = re.sub(r"^(Input|String|Value) should", "it should", error["msg"].removeprefix("Value error, "))
        yield ConfigInvalid(str(field.validation_alias), problem, f"Set it to: {extra['shape']}.")


def _misspelled(names: Iterable[str], where: str, is_meant_for_us: Callable[[str, str], bool]) -> list[ConfigInvalid]:
    """Names that look like settings of GangGPT but do not exist. Other names are ignored."""
    known = {variable_of(name) for name in Settings.model_fields}
    known |= {f"{variable_of(name)}_FILE" for name, field in Settings.model_fields.items() if is_secret(field)}
    problems = []
    for name, close in misspelled(names, known, is_meant_for_us):
        hint = f"Did you mean {close}?" if close else "See docs/CONFIGURATION.md for all names."
        problems.append(ConfigInvalid(name, f"{where} sets it, but there is no such setting", hint))
    return problems
