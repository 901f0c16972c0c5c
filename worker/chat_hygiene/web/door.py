"""Who comes in, and what they may send: the name the page was asked for, the session, the origin and the token of a form.

A session is a signed cookie: name, beginning, and a fingerprint of the person's line in the users file. It ends after
`SESSION`, by signing out in this browser, and by any change of that line.
"""

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chat_hygiene.clock import Clock
from chat_hygiene.settings import Settings
from chat_hygiene.web.bodies import read_form
from chat_hygiene.web.signing import Signer
from chat_hygiene.web.users import Role, User, Users

SESSION = timedelta(hours=12)
ATTEMPTS, ATTEMPTS_WITHIN = 10, timedelta(minutes=1)
"""So many failed sign-ins from one address within so long, and it is not listened to until they are over."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ADDRESSES = 1000
_FORWARDED = {"forwarded", "x-forwarded-for", "x-real-ip"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever looks. `session` is the cookie's text; `new`: the browser does not have it yet."""

    name: str
    operator: bool
    session: str
    new: bool = False


class Door:
    """Lets people in. Without a users file everybody on this machine is the operator that the settings name."""

    def __init__(self, settings: Settings, signer: Signer, users: Users | None, clock: Clock) -> None:
        self.users = users
        self._signer, self._clock = signer, clock
        self._cookie = f"chat_hygiene_{signer.name}"
        self._actor = settings.actor
        url = urlsplit(settings.web_url or "")
        self._secure = url.scheme == "https"
        self._names = _LOOPBACK | {name for name in (url.hostname, _own_name(settings.web_host)) if name}
        self._failed: dict[str, list[datetime]] = {}

    def check_host(self, request: Request) -> None:
        """Raises HTTPException 421 for a name that is not ours: a page of a stranger's may have that lead here."""
        host = request.headers.get("Host", "")
        try:
            ours = "@" not in host and urlsplit(f"//{host}").hostname in self._names
        except ValueError:
            ours = False
        if not ours:
            raise HTTPException(
                421, "This page is not served under that name. CHAT_HYGIENE_WEB_URL says under which it is."
            )

    def visitor(self, request: Request) -> Visitor | None:
        """Who looks; None: somebody who has to sign in. Raises HTTPException like `check_host`."""
        self.check_host(request)
        text = request.cookies.get(self._cookie, "")
        name = self._signed_in(text)
        if self.users is None:
            if _FORWARDED & set(request.headers.keys()):
                raise HTTPException(
                    403,
                    "This came through a proxy, and without CHAT_HYGIENE_WEB_USERS_FILE only this machine is let in.",
                )
            new = name != self._actor
            user = User(self._actor, Role.OPERATOR, "")
            return Visitor(user.name, operator=True, session=self._begin(user) if new else text, new=new)
        found = None if name is None else self.users.find(name)
        return None if found is None else Visitor(found.name, operator=found.operator, session=text)

    def token(self, visitor: Visitor) -> str:
        """What each form of this session carries."""
        return self._signer.token("form", visitor.session)

    async def form(self, request: Request, visitor: Visitor | None) -> Mapping[str, str]:
        """The fields of a form that one of our pages sent, for a visitor one of this session.

        Raises HTTPException 403 for any other, and like `bodies.read_form`.
        """
        self._check_origin(request)
        fields = dict(await read_form(request))
        token = fields.pop("token", "")
        if visitor is not None and not self._signer.is_token(token, "form", visitor.session):
            raise HTTPException(
                403,
                "The form is from another session. Nothing was done: go back, load the page again, and send it anew.",
            )
        return fields

    def check_attempts(self, address: str) -> None:
        """Raises HTTPException 429 after too many failed sign-ins from there."""
        if len(self._recent(address)) >= ATTEMPTS:
            wait = str(int(ATTEMPTS_WITHIN.total_seconds()))
            raise HTTPException(
                429, "Too many attempts from this address. Wait a minute.", {"Retry-After": wait}
            )

    def sign_in(self, name: str, token: str, address: str) -> User | None:
        """Whoever has this name and token. Slow on purpose, and not to be called side by side."""
        self.check_attempts(address)
        user = None if self.users is None else self.users.sign_in(name, token)
        if user is None:
            self._failed[address] = [*self._recent(address), self._clock()]
            while len(self._failed) > _ADDRESSES:
                del self._failed[next(iter(self._failed))]
        return user

    def open(self, answer: Response, user: User) -> None:
        """Begins a session in the browser that gets this answer."""
        self.keep(answer, self._begin(user))

    def keep(self, answer: Response, session: str) -> None:
        """Hands a session to the browser."""
        self.set_cookie(answer, "", session, SESSION)

    def close(self, answer: Response) -> None:
        """Ends the session in this browser."""
        self.set_cookie(answer, "", "", timedelta(0))

    def say(self, answer: Response, text: str) -> None:
        """Has the next page tell something."""
        self.set_cookie(answer, "_said", self._signer.sign("said", {"text": text}), timedelta(minutes=1))

    def said(self, request: Request) -> str | None:
        """What the page before has to tell."""
        found = self._signer.read("said", request.cookies.get(f"{self._cookie}_said"))
        return None if found is None else str(found["text"])

    def heard(self, answer: Response) -> None:
        """It was told."""
        self.set_cookie(answer, "_said", "", timedelta(0))

    def set_cookie(self, answer: Response, suffix: str, text: str, lasting: timedelta) -> None:
        """A cookie of ours, sent back to us alone."""
        answer.set_cookie(
            f"{self._cookie}{suffix}",
            text,
            max_age=int(lasting.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )

    def _recent(self, address: str) -> list[datetime]:
        since = self._clock() - ATTEMPTS_WITHIN
        return [at for at in self._failed.get(address, ()) if at > since]

    def _begin(self, user: User) -> str:
        content = {"name": user.name, "at": self._clock().timestamp(), "of": user.fingerprint}
        return self._signer.sign("session", content | {"id": secrets.token_urlsafe(12)})

    def _signed_in(self, text: str) -> str | None:
        found = self._signer.read("session", text)
        if found is None:
            return None
        age = self._clock().timestamp() - found["at"]
        if not -SESSION.total_seconds() < age < SESSION.total_seconds():
            return None
        name: str = found["name"]
        user = User(self._actor, Role.OPERATOR, "") if self.users is None else self.users.find(name)
        same = user is not None and (user.name, user.fingerprint) == (name, found["of"])
        return name if same else None

    def _check_origin(self, request: Request) -> None:
        # A browser says both of a form; a stranger's page can change neither.
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site")
        ours = origin is not None and origin.partition("://")[2] == request.headers.get("Host")
        if not ours or site not in {None, "same-origin"}:
            raise HTTPException(403, "The form was not sent by this page. Nothing was done.")


def _own_name(host: str) -> str | None:
    try:
        return None if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host.lower()
