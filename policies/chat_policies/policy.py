"""A policy: which chats, when, how far, and with which brakes. Built from its document form, and written back to it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from chat_policies import durations
from chat_policies.conditions.base import FROZEN, Items, Text
from chat_policies.durations import Duration
from chat_policies.messages import LONG_NUMBER, all_of, refuse
from chat_policies.rules import MOST_VALUES, Rules
from chat_policies.schedule import Schedule, Zone

NAME = r"^[a-z][a-z0-9-]{0,62}$"
SHARE = r"^[0-9]{1,3}(\.[0-9]{1,2})?%$"
ONLY_FOR_DELETE = ("unless", "mode", "schedule", "timezone", "grace", "delete", "limits", "catch_up")
"""What means nothing in a keep-policy: it never runs, it is asked by every delete policy."""


def _name(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(NAME, value):
        raise refuse(
            "is not a usable name", "start with a letter, then small letters, digits and dashes: resolved-30d"
        )
    if isinstance(value, str) and LONG_NUMBER.search(value):
        raise refuse("looks like it holds a phone number", "every report shows the name: write fewer digits")
    return value


def _share(value: object) -> object:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not re.fullmatch(SHARE, value):
        raise refuse("must be a share in percent", 'write "10%"')
    if (share := Decimal(value[:-1])) > 100:
        raise refuse("is a share over 100 %", "write a share from 0% to 100%")
    return share


def _canary(value: object) -> object:
    if value == "off":
        return value
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_CHATS:
        raise refuse("must be a whole number of chats, 1 or more, or off", "write 10")
    return value


def _grace(value: object) -> object:
    if value == "none":
        return timedelta(0)
    return durations.parse(value)


def _devices(value: object) -> object:
    if value == "all":
        return None
    if not isinstance(value, list | tuple):
        raise refuse("must be all, or a list of device ids and aliases", "write all, or [sales, support]")
    if "all" in value:
        raise refuse('has "all" among the devices', "write devices: all, without a list, for every device")
    return value


MOST_CHATS = 10_000_000
Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME})]
Share = Annotated[
    Decimal,
    BeforeValidator(_share),
    WithJsonSchema({"type": "string", "pattern": SHARE, "description": "10%"}),
]
Canary = Annotated[
    int | Literal["off"],
    BeforeValidator(_canary),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1}, {"const": "off"}],
            "description": "Not written: as many as CHAT_HYGIENE_CANARY_CHATS says, 10 unless set",
        }
    ),
]
Grace = Annotated[
    timedelta,
    BeforeValidator(_grace),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": durations.PATTERN}, {"const": "none"}]}),
]
Devices = Annotated[
    Items[Text] | None,
    BeforeValidator(_devices),
    WithJsonSchema(
        {"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]
Mode = Literal["enforce", "observe"]


class Part(BaseModel):
    """A mapping of a policy document: frozen, strict, and no key that is not known."""

    model_config = FROZEN | ConfigDict(extra="forbid", ser_json_timedelta="iso8601")


class DeleteOptions(Part):
    """How far a deletion goes.

    `force_local`: when WhatsApp refuses, remove the chat from the platform alone, and keep that open as a debt.
    `offline_grace`: force as well once a device has been offline for so long; None waits for the device.
    """

    from_whatsapp: bool
    force_local: bool = True
    offline_grace: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_to_force(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("from_whatsapp") is False:
            return {"force_local": False, **value}
        return value

    @field_validator("force_local")
    @classmethod
    def _force_what(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's shape
        if value and info.data.get("from_whatsapp") is False:
            raise refuse(
                "means nothing with from_whatsapp: false",
                "leave it out: nothing is asked of WhatsApp, so it cannot refuse",
            )
        return value

    @field_validator("offline_grace")
    @classmethod
    def _graced_what(cls, value: timedelta | None, info: ValidationInfo) -> timedelta | None:
        if info.data.get("force_local") is False:
            raise refuse("means nothing without forcing", "leave it out, or set force_local: true")
        return value


class Limits(Part):
    """The brakes, per local calendar day: chats, percent of a device's chats, and the first run of a version.

    Zero means none. `canary` None is not written: the installation's setting counts.
    """

    max_chats: Annotated[int, Field(ge=0, le=MOST_CHATS)] = 200
    max_share: Share = Decimal(10)
    canary: Canary | None = None


class Policy(Part):
    """One policy. `devices` None is all; `grace` of zero is no window; `catch_up` None follows the installation's setting."""

    name: Name
    description: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    action: Literal["delete", "keep"] = "delete"
    devices: Devices = None
    when: Rules
    unless: Rules | None = None
    mode: Mode = "observe"
    schedule: Schedule | None = Field(default=None, validate_default=True)
    timezone: Zone = "UTC"
    grace: Grace = timedelta(days=7)
    delete: DeleteOptions | None = Field(default=None, validate_default=True)
    limits: Limits = Limits()
    catch_up: Annotated[
        Duration | None,
        Field(description="Not written: as CHAT_HYGIENE_CATCH_UP_SECONDS says, a day unless set"),
    ] = None

    @field_validator(*ONLY_FOR_DELETE, mode="before")
    @classmethod
    def _not_for_keep(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("action") == "keep":
            raise refuse(
                "means nothing in a keep-policy",
                "leave it out: a keep-policy has only name, description, devices and when",
            )
        return value

    @field_validator("schedule")
    @classmethod
    def _when_due(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("action") == "delete":
            raise refuse(
                "is missing",
                'say when it runs, here or in defaults: schedule: "0 3 * * *" is every day at 03:00',
            )
        return value

    @field_validator("delete")
    @classmethod
    def _how_far(cls, value: DeleteOptions | None, info: ValidationInfo) -> DeleteOptions | None:
        if value is None and info.data.get("action") == "delete" and info.data.get("mode") == "enforce":
            raise refuse(
                "is missing: an enforcing policy must say how far it goes",
                "delete: {from_whatsapp: true} deletes in WhatsApp and on the platform, false on the platform only",
            )
        return value

    @field_validator("when", "unless")
    @classmethod
    def _not_too_many(cls, value: Rules | None) -> Rules | None:
        if value is not None and value.values() > MOST_VALUES:
            raise refuse(f"has more than {MOST_VALUES} values", "split it into several policies")
        return value

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """A policy from what `to_document` gave, also after a database has reordered its keys.

        Raises pydantic.ValidationError when the document is not of this version's form.
        """
        return cls.model_validate(dict(document))

    def to_document(self) -> dict[str, Any]:
        """The canonical JSON-able form, spelt as in a policy file: what is stored.

        Every default is written out, except the two that an installation sets: `limits.canary` and `catch_up`.
        """
        document: dict[str, Any] = {"name": self.name}
        if self.description is not None:
            document["description"] = self.description
        document["action"] = self.action
        document["devices"] = "all" if self.devices is None else list(self.devices)
        document["when"] = self.when.model_dump(mode="json")
        if self.action == "keep":
            return document
        if self.unless is not None:
            document["unless"] = self.unless.model_dump(mode="json")
        document |= {"mode": self.mode, "schedule": self.schedule, "timezone": self.timezone}
        document["grace"] = durations.spell(self.grace) if self.grace else "none"
        if self.delete is not None:
            document["delete"] = self.delete.model_dump(mode="json", exclude_none=True)
        limits = {
            "max_chats": self.limits.max_chats,
            "max_share": f"{self.limits.max_share.normalize():f}%",
        }
        document["limits"] = limits if self.limits.canary is None else limits | {"canary": self.limits.canary}
        if self.catch_up is not None:
            document["catch_up"] = durations.spell(self.catch_up)
        return document

    def words(self) -> str:
        """The rule in one line: `resolved for 30 d or more, unless labelled vip or legal, or unread`."""
        rule = all_of([condition.words() for condition in self.when.members().values()])
        if self.unless is None:
            return rule
        return f"{rule}, unless {', or '.join(condition.words() for condition in self.unless.members().values())}"
