"""The two keys that the store needs: one makes pseudonyms, the other proves the audit.

With a server both are settings. Embedded, a key that is not a setting is made once and kept beside the SQLite file; the
text in that file and the text of the setting mean the same key, so either can take the other's place.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.settings import PREFIX, Settings, parse_keys
from chat_hygiene.store import files
from chat_hygiene.store.pseudonyms import Pseudonyms

_NAMES = ("pseudonym_key", "audit_key")
_SHORTEST = 32


@dataclass(frozen=True, slots=True)
class Keys:
    """What the keys are used for; never shown."""

    pseudonyms: Pseudonyms = field(repr=False)
    audit_key: bytes = field(repr=False)


def load_keys(settings: Settings) -> Keys:
    """The keys from the settings, or from beside the SQLite file, where missing ones are made.

    Raises InvalidInputError when one is missing with a server, or its file cannot be used.
    """
    given: dict[str, SecretStr | None] = {name: getattr(settings, name) for name in _NAMES}
    file = settings.sqlite_file
    missing = [PREFIX + name.upper() for name, secret in given.items() if secret is None]
    if missing and file is None:
        raise InvalidInputError(
            f"{' and '.join(missing)}: needed with PostgreSQL",
            fix="make one with `openssl rand -hex 32`, set it for every process, and keep a copy: without it"
            " no chat is recognised and no audit can be verified",
        )
    texts = {}
    for name, secret in given.items():
        if secret is not None:
            texts[name] = secret.get_secret_value()
        elif file is not None:
            texts[name] = _kept(file.with_name(f"{file.name}.{name.replace('_', '.')}"))
    pseudonym_keys = {key_id: key.encode() for key_id, key in parse_keys(texts["pseudonym_key"]).items()}
    return Keys(Pseudonyms(pseudonym_keys), texts["audit_key"].encode())


def load_audit_key(settings: Settings) -> bytes:
    """The audit key alone, for whoever checks what was signed with it: a missing one is not made.

    Raises InvalidInputError when there is none.
    """
    if settings.audit_key is not None:
        return settings.audit_key.get_secret_value().encode()
    file = settings.sqlite_file
    kept = None if file is None else file.with_name(f"{file.name}.audit.key")
    if kept is None or not kept.exists():
        raise InvalidInputError(
            "there is no audit key here", fix=f"set {PREFIX}AUDIT_KEY to the one that the ledger has"
        )
    return _kept(kept).encode()


def _kept(file: Path) -> str:
    try:
        if not file.exists():
            files.write_new(file, f"{secrets.token_hex(32)}\n".encode())
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInputError(
            f"the key file {file} cannot be made or read: {reason}", fix="check its folder and its owner"
        ) from None
    if len(text) < _SHORTEST:
        raise InvalidInputError(
            f"the key file {file} holds no key of {_SHORTEST} characters or more",
            fix="restore it from a backup",
        )
    return text
