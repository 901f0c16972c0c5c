"""All settings, from `CHAT_HYGIENE_*`, `.env`, and `CHAT_HYGIENE_*_FILE` for secrets."""

import getpass
import os
import re
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from chat_policies.schedule import Zone

PREFIX = "CHAT_HYGIENE_"
ENV_FILE = ".env"
SECRETS = (
    "api_token",
    "pseudonym_key",
    "audit_key",
    "database_url",
    "broker_url",
    "webhook_token",
    "webhook_hmac_key",
    "ping_url",
    "notify_urls",
)

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BETWEEN = re.compile(rf"[\s,]+(?={_ADDRESS.pattern})")

# Rules of the protocol, not choices of an operator.
MAX_READ_AGE = timedelta(seconds=5)
MAX_ATTEMPTS = 5
MAX_CRASHES = 5
JOB_DEADLINE = timedelta(hours=48)
MAX_CLOCK_SKEW = timedelta(minutes=5)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"uid-{os.getuid()}"


def _seconds(value: object) -> object:
    # Seconds with fractions only: "PT5M" or "00:05" would be a second spelling.
    if isinstance(value, timedelta):
        return value
    return timedelta(seconds=float(value))  # type: ignore[arg-type]


Seconds = Annotated[
    timedelta,
    BeforeValidator(_seconds),
    Field(gt=timedelta(0), le=timedelta(days=3660)),
    PlainSerializer(lambda value: value.total_seconds(), return_type=float),
]
SecondsOrZero = Annotated[
    timedelta,
    BeforeValidator(_seconds),
    Field(ge=timedelta(0), le=timedelta(days=3660)),
    PlainSerializer(lambda value: value.total_seconds(), return_type=float),
]


class Settings(BaseSettings):
    """Every setting with its default; durations are seconds, fractions allowed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    database_url: SecretStr = SecretStr("sqlite:///chat-hygiene.db")
    broker_url: SecretStr = SecretStr("memory://")
    api_url: str = "https://api.wassenger.com/v1"
    api_token: SecretStr | None = None
    pseudonym_key: SecretStr | None = None
    audit_key: SecretStr | None = None
    requests_per_minute: Annotated[int, Field(ge=1, le=60_000)] = 60
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=0, le=65535)] = 8787
    web_users_file: Path | None = None
    web_url: str | None = None
    webhook_token: SecretStr | None = None
    webhook_hmac_key: SecretStr | None = None
    ping_url: SecretStr | None = None
    ping_style: Literal["healthchecks", "plain"] = "healthchecks"
    allow_private_targets: bool = False
    notify_urls: SecretStr | None = None
    notify_digest: Literal["daily", "weekly", "off"] = "weekly"
    notify_hour: Annotated[int, Field(ge=0, le=23)] = 8
    notify_timezone: Zone = "UTC"
    heartbeat_file: Path | None = None
    actor: Annotated[str, Field(default_factory=_login, min_length=1, max_length=100)]
    read_only: bool = False
    canary_chats: Annotated[int, Field(ge=1)] | Literal["off"] = 10
    min_age_seconds: SecondsOrZero = timedelta(days=7)
    read_deadline_seconds: Seconds = timedelta(seconds=15)
    delete_deadline_seconds: Seconds = timedelta(seconds=75)
    lease_seconds: Seconds = timedelta(seconds=120)
    retry_base_seconds: Seconds = timedelta(seconds=30)
    refusal_confirm_seconds: Seconds = timedelta(seconds=600)
    freshness_seconds: Seconds = timedelta(hours=6)
    sync_interval_seconds: Seconds = timedelta(minutes=15)
    full_sync_interval_seconds: Seconds = timedelta(days=1)
    catch_up_seconds: Seconds = timedelta(days=1)
    approval_expiry_seconds: Seconds = timedelta(days=7)
    records_kept_seconds: Seconds = timedelta(days=730)
    audit_kept_seconds: Seconds = timedelta(days=730)

    @field_validator("api_url")
    @classmethod
    def _safe_api_url(cls, url: str) -> str:
        parts = urlsplit(url)
        local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise ValueError(
                "must start with https:// (http:// only on loopback): the token travels with every call"
            )
        more = (parts.username, parts.password, parts.query, parts.fragment)
        if not parts.hostname or any(more) or not _has_port_or_none(parts):
            raise ValueError("must be a plain URL with a host, like https://api.wassenger.com/v1")
        return url.rstrip("/")

    @field_validator("web_url")
    @classmethod
    def _plain_web_url(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://none")
        more = (parts.username, parts.password, parts.path.strip("/"), parts.query, parts.fragment)
        if parts.scheme not in {"https", "http"} or not parts.hostname or any(more):
            raise ValueError(
                "must be the address of the page without a path, like https://hygiene.example.org"
            )
        return url

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr) -> SecretStr:
        try:
            url = make_url(value.get_secret_value())
        except ArgumentError:
            raise ValueError("is not a database URL, like sqlite:///chat-hygiene.db") from None
        if url.drivername in {"postgres", "postgresql"}:
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername not in {"sqlite", "postgresql+psycopg"}:
            raise ValueError("must be sqlite:///FILE or postgresql://…")
        if url.drivername == "sqlite" and url.database in {None, "", ":memory:"}:
            raise ValueError("must name a file: the ledger has to outlive the process")
        return SecretStr(url.render_as_string(hide_password=False))

    @field_validator("pseudonym_key")
    @classmethod
    def _long_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_keys(value.get_secret_value())
        return value

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in {"memory", "redis", "rediss"}:
            raise ValueError("must be memory://, redis://… or rediss://…")
        return value

    @field_validator("webhook_token")
    @classmethod
    def _unguessable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{32,}", value.get_secret_value()):
            raise ValueError(
                "must be 32 or more letters, digits, - or _: it stands in a URL and must not be guessed"
            )
        return value

    @field_validator("notify_urls")
    @classmethod
    def _addresses(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not all(_ADDRESS.match(each) for each in _split(value)):
            raise ValueError(
                "must be addresses of services like tgram://…, mailto://…, separated by spaces or commas"
            )
        return value

    @field_validator("audit_key")
    @classmethod
    def _long_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must have 32 characters or more")
        return value

    @model_validator(mode="after")
    def _lease_outlives_calls(self) -> "Settings":
        if self.lease_seconds < 2 * self.read_deadline_seconds + self.delete_deadline_seconds:
            raise ValueError(
                "LEASE_SECONDS must be at least 2 x READ_DEADLINE_SECONDS + DELETE_DEADLINE_SECONDS,"
                " or a job could be taken over while its call is still out"
            )
        return self

    @cached_property
    def notify_addresses(self) -> tuple[str, ...]:
        """Where messages to people go; each is a secret."""
        return () if self.notify_urls is None else _split(self.notify_urls)

    @cached_property
    def sqlite_file(self) -> Path | None:
        """The database file when embedded; None with a server."""
        url = make_url(self.database_url.get_secret_value())
        return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:  # what stands after the colon is no port
        return False


def _split(addresses: SecretStr) -> tuple[str, ...]:
    # A comma within an address separates its recipients.
    return tuple(each for each in _BETWEEN.split(addresses.get_secret_value().strip(" \t\r\n,")) if each)


def parse_keys(text: str) -> dict[str, str]:
    """`KEY` or `id:key,id:key` to {id: key}; the first one writes. Raises ValueError."""
    pairs = [part.partition(":") for part in text.split(",")] if ":" in text else [("1", ":", text)]
    keys = {name.strip(): key.strip() for name, _, key in pairs}
    if len(keys) != len(pairs) or "" in keys:
        raise ValueError("must be KEY, or id:key,id:key with different ids")
    if any(len(key) < 32 for key in keys.values()):
        raise ValueError("each key must have 32 characters or more")
    return keys


class SettingsError(Exception):
    """Settings that cannot be used: one sentence per problem, each naming its variable, none showing a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _secret_files(env_file: Path | str | None) -> dict[str, str]:
    """What the files named by `*_FILE` hold. The environment is asked first: what it sets there is not in `.env`'s hand."""
    in_file = {} if env_file is None else dotenv_values(env_file)
    found, problems = {}, []
    for name in SECRETS:
        plain = f"{PREFIX}{name.upper()}"
        variable = f"{plain}_FILE"
        path = os.environ.get(variable, "" if os.environ.get(plain) else in_file.get(variable))
        if not path:
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{variable}: cannot be read ({type(error).__name__})")
    if problems:
        raise SettingsError(problems)
    return found


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - field values of Settings
    """Reads the environment, `.env` and secret files. Raises SettingsError with every problem at once."""
    try:
        return Settings(**{**_secret_files(overrides.get("_env_file", ENV_FILE)), **overrides})
    except ValidationError as error:
        problems = []
        for item in error.errors(include_input=False, include_url=False):
            name = f"{PREFIX}{str(item['loc'][0]).upper()}" if item["loc"] else "settings"
            problems.append(f"{name}: {item['msg'].removeprefix('Value error, ')}")
        raise SettingsError(problems) from None
