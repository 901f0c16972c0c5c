"""`labels`: any, all or none of some labels. Compared exactly, in Unicode's NFC; a chat without labels has none."""

import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, model_serializer, model_validator
from sqlalchemy import Boolean, ColumnElement, FromClause, and_, literal, not_
from sqlalchemy import Text as SqlText
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from chat_policies.conditions.base import FROZEN, Items, Text, Timeless
from chat_policies.messages import all_of, mask, one_of, refuse


def _nfc(label: str) -> str:
    return unicodedata.normalize("NFC", label)


Label = Annotated[Text, AfterValidator(_nfc)]


def _list_or_sets(schema: dict[str, Any]) -> None:
    sets = dict(schema)
    schema.clear()
    schema["anyOf"] = [sets["properties"]["any"], {**sets, "minProperties": 1}]


class Labels(Timeless, BaseModel):
    """`[vip, legal]` is any of them; `{any: […], all: […], none: […]}` wants all that are written."""

    model_config = FROZEN | ConfigDict(extra="forbid", json_schema_extra=_list_or_sets)

    facts: ClassVar[tuple[str, ...]] = ("labels",)

    any: Items[Label] = ()
    all: Items[Label] = ()
    none: Items[Label] = ()

    @model_validator(mode="before")
    @classmethod
    def _sets(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return {"any": value}
        if not isinstance(value, dict):
            raise refuse("must be a list of labels, or any, all or none of such lists", "write [vip]")
        if not value:
            raise refuse("must not be empty", "write [vip], or any, all or none with such a list")
        return value

    @model_serializer
    def _spelling(self) -> list[str] | dict[str, list[str]]:
        sets = {"any": list(self.any), "all": list(self.all), "none": list(self.none)}
        written = {name: labels for name, labels in sets.items() if labels}
        return sets["any"] if list(written) == ["any"] else written

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:  # noqa: ARG002 - the protocol's shape
        """Never NULL."""
        labels = chat.c.labels
        wanted: list[ColumnElement[bool]] = [has_label(labels, label) for label in self.all]
        if self.any:
            wanted.append(HasAny(labels, self.any))
        if self.none:
            wanted.append(not_(HasAny(labels, self.none)))
        return and_(*wanted)

    def words(self) -> str:
        """`labelled vip or legal, and not labelled open`."""
        sets = (
            ("labelled ", one_of, self.any),
            ("labelled ", " and ".join, self.all),
            ("not labelled ", one_of, self.none),
        )
        return all_of(
            [phrase + join([mask(label) for label in labels]) for phrase, join, labels in sets if labels]
        )


class HasAny(FunctionElement[bool]):
    """Whether a JSON array of texts holds any of `labels`, each a text or an expression of one."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], labels: Iterable[str | ColumnElement[str]]) -> None:
        super().__init__(
            column, *(literal(each, SqlText()) if isinstance(each, str) else each for each in labels)
        )


def has_label(column: ColumnElement[Any], label: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a JSON array of texts holds `label`, a text in NFC or an expression."""
    return HasAny(column, [label])


@compiles(HasAny, "postgresql")
def _on_postgresql(element: HasAny, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column, *labels = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} ?| ARRAY[{', '.join(labels)}]::text[])"


@compiles(HasAny, "sqlite")
def _on_sqlite(element: HasAny, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column, *labels = (compiler.process(part, **kw) for part in element.clauses)
    return (  # the parts are compiled expressions, their values bound
        f"EXISTS (SELECT 1 FROM json_each({column}) AS label"  # noqa: S608
        f" WHERE label.type = 'text' AND label.value IN ({', '.join(labels)}))"
    )
