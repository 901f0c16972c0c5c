"""What SQLite and PostgreSQL spell differently in the report views' SQL. Migrations build on it: words are added, none changes."""

import re
from functools import partial

_SPELLINGS = {
    "postgresql": {
        "NOW": "now()",
        "AGE({})": "CAST(floor(extract(epoch FROM now())) - floor(extract(epoch FROM {})) AS bigint)",
        "FIELD({})": "v.document ->> '{}'",
        "LABELLED": "c.labels @> jsonb_build_array(h.label)",
        "UNKNOWN_COUNT": "CAST(NULL AS bigint)",
        "WITHOUT_WORDS": "(CAST(e.detail AS jsonb) - 'because')::text",
    },
    "sqlite": {
        "NOW": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
        "AGE({})": "CAST(strftime('%s', 'now') AS INTEGER) - CAST(strftime('%s', {}) AS INTEGER)",
        "FIELD({})": "json_extract(v.document, '$.{}')",
        "LABELLED": "EXISTS (SELECT 1 FROM json_each(c.labels) AS l WHERE l.value = h.label)",
        "UNKNOWN_COUNT": "CAST(NULL AS INTEGER)",
        "WITHOUT_WORDS": "json_remove(e.detail, '$.because')",
    },
}


def spell(query: str, dialect: str) -> str:
    """The query with each of our words spelt for the engine."""
    for word, spelling in _SPELLINGS[dialect].items():
        name, takes, _ = word.partition("({})")
        pattern = rf"\b{name}\(([\w.]+)\)" if takes else rf"\b{name}\b"
        query = re.sub(pattern, partial(_filled, spelling), query)
    return query


def _filled(spelling: str, found: re.Match[str]) -> str:
    return spelling.format(*found.groups())
