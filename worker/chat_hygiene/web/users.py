"""Who may use the page: WEB_USERS_FILE, one person a line.

```
# name : role : hash of the token
ana:operator:scrypt$QbO1…$9fKc…
ben:reader:scrypt$x0Yt…$Lk2d…
```
`chat-hygiene web token NAME --role reader` makes a line and its token. A reader sees pseudonyms and masked hints; an
operator sees names too, and decides. A line that is changed or taken out ends that person's sessions at once: the file
is read again whenever it has changed. Blank lines and lines that begin with # say nothing.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

import structlog

from chat_hygiene.core.errors import InvalidInputError, UsageError
from chat_hygiene.settings import Settings
from chat_hygiene.store.pseudonyms import mask_numbers

_SCHEME = "scrypt"
_COST = {"n": 2**14, "r": 8, "p": 1}
_SALT, _HASH = 16, 32
_NAME = re.compile(r"[^\s:#](?:[^:\x00-\x1f\x7f\ud800-\udfff]{0,62}[^\s:])?")
_FIX = "make each line with `chat-hygiene web token NAME --role reader`"

_log = structlog.get_logger(__name__)


class Role(StrEnum):
    """What somebody may do."""

    READER = "reader"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class User:
    """One person. `secret` is the salted hash of the token."""

    name: str
    role: Role
    secret: str

    @property
    def fingerprint(self) -> str:
        """Of the whole line: a session that was begun under another one is over."""
        line = f"{self.name}:{self.role}:{self.secret}"
        return hashlib.sha256(line.encode()).hexdigest()[:16]

    @property
    def operator(self) -> bool:
        """Whether this person decides, and sees names."""
        return self.role is Role.OPERATOR


class Users:
    """The people of a users file, as it stands."""

    def __init__(self, file: Path) -> None:
        """Raises InvalidInputError with one line per mistake."""
        self._file, self._lock = file, Lock()
        self._stamp: tuple[int, ...] | None = _stamp(file)
        self._users: Mapping[str, User] = parse(file)
        if not self._users:
            _log.warning("the users file names nobody, so that nobody can sign in", file=str(file))

    def find(self, name: str) -> User | None:
        """One of them. A file that cannot be used any more names nobody."""
        self._refresh()
        return self._users.get(name)

    def sign_in(self, name: str, token: str) -> User | None:
        """Whoever has this name and this token. Takes some 50 ms, also for a name that is not there."""
        user = self.find(name)
        matches = _matches(token, _NOBODY if user is None else user.secret)
        return user if matches else None

    @property
    def empty(self) -> bool:
        """Whether nobody can sign in."""
        self._refresh()
        return not self._users

    def _refresh(self) -> None:
        with self._lock:
            stamp = _stamp(self._file)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._users = parse(self._file)
            except InvalidInputError as error:
                # Closed rather than open: somebody may have been meant to lose access by this very change.
                self._users = {}
                _log.exception(
                    "the users file cannot be used, so that nobody can sign in", problem=str(error)
                )


def users_of(settings: Settings) -> Users | None:
    """Those of the settings; None: only this machine can reach the page, and nobody signs in.

    Raises InvalidInputError for a file with mistakes, or none where others can reach the page.
    """
    if settings.web_users_file is not None:
        return Users(settings.web_users_file)
    if not is_loopback(settings.web_host):
        wide = f"CHAT_HYGIENE_WEB_HOST is {settings.web_host}"
    elif settings.web_url is not None and not is_loopback(urlsplit(settings.web_url).hostname or ""):
        wide = f"CHAT_HYGIENE_WEB_URL is {settings.web_url}"
    else:
        return None
    raise InvalidInputError(
        f"{wide}, which others can reach, and CHAT_HYGIENE_WEB_USERS_FILE is not set",
        fix="listen on 127.0.0.1, or name the file with those who may look",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse(file: Path) -> dict[str, User]:
    """The people by name. Raises InvalidInputError with one line per mistake, each with file and line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InvalidInputError(
            f"CHAT_HYGIENE_WEB_USERS_FILE: {file} cannot be read: {reason}", fix=_FIX
        ) from None
    users: dict[str, User] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _user(line.strip())
        if isinstance(found, User) and found.name in users:
            found = f"{found.name} is named twice"
        if isinstance(found, User):
            users[found.name] = found
        else:
            problems.append(f"{file}:{number}: {found}")
    if problems:
        raise InvalidInputError("\n".join(problems), fix=_FIX)
    return users


def new_user(name: str, role: Role) -> tuple[str, str]:
    """A line for the file, and the token that it knows only the hash of. Raises UsageError for a name that cannot be."""
    name = unicodedata.normalize("NFC", name)
    if (problem := _name_problem(name)) is not None:
        raise UsageError(problem)
    token = secrets.token_urlsafe(32)
    salt = os.urandom(_SALT)
    return f"{name}:{role}:{_SCHEME}${_text(salt)}${_text(_hash(token, salt))}", token


def _user(line: str) -> User | str:
    """What a line says, or what is wrong with it: never the hash itself."""
    name, *rest = line.split(":")
    if len(rest) != 2:
        return "it is not NAME:ROLE:HASH"
    role, secret = rest
    name = unicodedata.normalize("NFC", name)
    if (problem := _name_problem(name)) is not None:
        return problem
    if role not in set(Role):
        return f"the role of {name} is neither reader nor operator"
    if _parts(secret) is None:
        return f"the hash of {name} is not one that `chat-hygiene web token` made"
    return User(name, Role(role), secret)


def _name_problem(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return (
            "a name is 1 to 64 characters without a colon, and begins and ends with none that is blank or a #"
        )
    if mask_numbers(name) != name:
        return "a name may not look like a phone number: it stands in the audit for good"
    return None


def _parts(secret: str) -> tuple[bytes, bytes] | None:
    scheme, *parts = secret.split("$")
    try:
        salt, digest = (base64.urlsafe_b64decode(part.encode()) for part in parts)
    except (ValueError, binascii.Error):
        return None
    return (salt, digest) if (scheme, len(salt), len(digest)) == (_SCHEME, _SALT, _HASH) else None


def _matches(token: str, secret: str) -> bool:
    parts = _parts(secret)
    assert parts is not None  # noqa: S101 - parsed before
    salt, digest = parts
    return hmac.compare_digest(_hash(token, salt), digest)


def _hash(token: str, salt: bytes) -> bytes:
    return hashlib.scrypt(token.encode(errors="surrogatepass"), salt=salt, dklen=_HASH, **_COST)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


# Matched when there is no such person, so that it takes as long.
_NOBODY = f"{_SCHEME}${_text(bytes(_SALT))}${_text(bytes(_HASH))}"
