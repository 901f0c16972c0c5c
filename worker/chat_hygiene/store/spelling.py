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
        "GRACE_OVER": "d.last_online_at + CAST(v.document -> 'delete' ->> 'offline_grace' AS interval) <= now()",
        # As it stands but for that key: jsonb would change the order and the spaces of the rest.
        "WITHOUT_WORDS": "(SELECT '{{' || COALESCE(string_agg(to_json(f.key) || ':' || f.value, ',' ORDER BY f.n), '') || '}}'"
        " FROM json_each(CAST(e.detail AS json)) WITH ORDINALITY AS f (key, value, n) WHERE f.key <> 'because')",
    },
    "sqlite": {
        "NOW": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
        "AGE({})": "CAST(strftime('%s', 'now') AS INTEGER) - CAST(strftime('%s', {}) AS INTEGER)",
        "FIELD({})": "json_extract(v.document, '$.{}')",
        "LABELLED": "EXISTS (SELECT 1 FROM json_each(c.labels) AS l WHERE l.value = h.label)",
        "UNKNOWN_COUNT": "CAST(NULL AS INTEGER)",
        "GRACE_OVER": "strftime('%Y-%m-%dT%H:%M:%f000Z', d.last_online_at,"
        " replace(replace(json_extract(v.document, '$.delete.offline_grace'), 'd', ' days'), 'h', ' hours'))"
        " <= strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
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
