"""A small JSON client for one account or one of its devices, and a bare GET.

Every call has one total deadline, a body cap, no redirect, no proxy from the environment and no hidden retry. Whatever
goes wrong becomes one of our own errors, and the only question asked is whether the request may have left: before that
nothing happened, after it anything may have. The token is in the request header and nowhere else.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpcore
import httpx
import orjson
import sniffio
from pydantic import SecretStr

from chat_hygiene.clock import Clock
from chat_hygiene.core.errors import (
    BadAnswerError,
    RefusedError,
    TooLateError,
    UnavailableError,
    UnknownOutcomeError,
)
from chat_hygiene.providers import bodies
from chat_hygiene.providers.answers import Answer, decoded, error_of, http_date, listed, named
from chat_hygiene.providers.connections import Connections, ssl_context

CONNECT_SHARE = 0.4
"""Of the deadline, for the TCP connection and again for the TLS handshake."""
_PORTS = {"http": 80, "https": 443}
_LOST = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)
"""How a call ends that has no answer."""

_T = TypeVar("_T")

# At INFO httpx logs every URL, and a URL holds a phone number; at DEBUG httpcore logs headers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Route:
    """One call that an API offers. `path` is a template: each {name} is one path segment, filled in per call."""

    method: str
    path: str

    def __str__(self) -> str:
        """For messages: the template, never what is filled in."""
        return f"{self.method} {self.path}"

    def filled(self, segments: Mapping[str, str]) -> str:
        """The path of one call. Raises RefusedError for a segment that would address something else."""
        if any(segment in {"", ".", ".."} or not _encodable(segment) for segment in segments.values()):
            raise RefusedError(
                f"{self}: an id is empty, a dot or not text, and cannot stand in a URL; nothing was sent"
            )
        return self.path.format(**{name: quote(segment, safe="") for name, segment in segments.items()})


class JsonClient:
    """Calls one API at `base_url` with at most eight connections. Use from one event loop; close with `aclose`.

    `deadline` is for a whole call, from the first look-up to the last byte. `now` is asked when the head of an answer
    is in, and `on_skew` told the server's clock (its `Date`) minus ours.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: SecretStr,
        deadline: timedelta,
        now: Clock,
        on_skew: Callable[[timedelta], None],
    ) -> None:
        base = httpx.URL(base_url)
        self._host, self._prefix = base.host, base.raw_path.rstrip(b"/")
        self._origin = httpcore.Origin(base.raw_scheme, base.raw_host, base.port or _PORTS[base.scheme])
        self._token = token
        self._deadline = deadline.total_seconds()
        self._now = now
        self._on_skew = on_skew
        self._connections = Connections(self._origin)
        self._headers = (
            (b"Host", base.netloc),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"gzip"),
            (b"User-Agent", b"chat-hygiene"),
        )

    async def fetch(self, route: Route, segments: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """The JSON of the answer. Raises ProviderError."""
        answer = await self._exchange(route, segments)
        return decoded(answer, call=str(route))

    async def fetch_list(
        self,
        route: Route,
        segments: Mapping[str, str],
        parse: Callable[[object], _T],
        *,
        query: Mapping[str, str | int] | None = None,
    ) -> list[_T]:
        """What `parse` makes of each item of the answer, a JSON list. Raises ProviderError."""
        answer = await self._exchange(route, segments, query=query)
        return listed(answer, parse, call=str(route))

    async def send(
        self,
        route: Route,
        segments: Mapping[str, str],
        *,
        query: Mapping[str, str | int] | None = None,
        json: Mapping[str, object] | None = None,
        not_after: datetime | None = None,
    ) -> None:
        """Sends a command; any 2xx is success, and its body may be empty or anything.

        Raises ProviderError; TooLateError when connecting took so long that it would leave after `not_after`.
        """
        answer = await self._exchange(route, segments, query=query, json=json, not_after=not_after)
        if answer.flaw:
            raise BadAnswerError(
                f"{route} answered {answer.status}, but the body {answer.flaw}", status=answer.status
            )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._connections.aclose()

    async def _exchange(
        self,
        route: Route,
        segments: Mapping[str, str],
        *,
        query: Mapping[str, str | int] | None = None,
        json: Mapping[str, object] | None = None,
        not_after: datetime | None = None,
    ) -> Answer:
        target = route.filled(segments) + (f"?{urlencode(query)}" if query else "")
        # Told once; else httpcore finds it out anew at each of its steps.
        sniffio.current_async_library_cvar.set("asyncio")
        departure = _Departure(route, self._now, not_after)
        request = self._request(route.method, target.encode(), json, departure)
        try:
            async with asyncio.timeout(self._deadline), self._connections.lend() as connection:
                response = await connection.handle_async_request(request)
                try:
                    now, headers = self._now(), named(response.headers)
                    if (server_time := http_date(headers.get("date"))) is not None:
                        self._on_skew(server_time - now)
                    body, flaw = await bodies.read(
                        response.aiter_stream(), headers.get("content-encoding", "identity")
                    )
                finally:
                    await response.aclose()
            answer = Answer(response.status, headers, body, flaw)
        except TimeoutError:
            failure = f"no whole answer within {self._deadline:g} s"
        except _LOST as error:
            failure = _cause(error)
        else:
            if answer.status >= 400:
                answer = self._without_token(answer)
            if (refusal := error_of(answer, call=str(route), now=now)) is not None:
                raise refusal
            return answer
        # Raised out here: an error chained to httpcore's would carry the request, and with it token and chat id.
        if departure.left:
            raise UnknownOutcomeError(
                f"{route}: {failure or 'the connection was lost'}; the request had left, so it may have acted"
            )
        raise UnavailableError(
            f"{route}: {self._host} cannot be reached: {failure or 'no connection could be made'}; nothing was sent",
            fix="check CHAT_HYGIENE_API_URL and the network, then try again",
        )

    def _request(
        self, method: str, target: bytes, json: Mapping[str, object] | None, departure: "_Departure"
    ) -> httpcore.Request:
        scheme, host, port = self._origin.scheme, self._origin.host, self._origin.port
        headers = [*self._headers, (b"Token", self._token.get_secret_value().encode())]
        body = None if json is None else orjson.dumps(json)
        if body is not None:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        return httpcore.Request(
            method,
            httpcore.URL(scheme=scheme, host=host, port=port, target=self._prefix + target),
            headers=headers,
            content=body,
            # The deadline is for all of a call. Connecting has limits of its own, so that it leaves time for the rest.
            extensions={"trace": departure, "timeout": {"connect": self._deadline * CONNECT_SHARE}},
        )

    def _without_token(self, answer: Answer) -> Answer:
        # A server may quote the key it refuses, and an error's code is kept.
        body = answer.body.replace(self._token.get_secret_value().encode(), b"")
        return Answer(answer.status, answer.headers, body, answer.flaw)


async def get_at(url: str, address: str, *, connect: timedelta) -> int:
    """The status of one GET of `url`, sent to exactly this IP address: its host only goes into `Host` and into TLS.

    Nothing is looked up, nothing followed, and the body is not read. The caller sets the total deadline; `connect` is for
    the connection alone. Raises UnavailableError when there was none, UnknownOutcomeError when it was lost.
    """
    connected, failure = False, ""
    try:
        target = httpx.URL(url)
        async with (
            httpx.AsyncClient(
                verify=ssl_context(),
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(None, connect=connect.total_seconds()),
            ) as client,
            client.stream(
                "GET",
                target.copy_with(host=address),
                headers={"Host": target.netloc.decode("ascii"), "User-Agent": "chat-hygiene"},
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            return response.status_code
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        failure = _cause(error) or "no connection could be made"
    except httpx.InvalidURL:
        failure = "it is not a valid URL"
    except (httpx.HTTPError, OSError):
        connected = True
    # Raised out here: an error chained to httpx's would carry the request, and with it a secret path.
    if connected:
        raise UnknownOutcomeError("the connection was lost")
    raise UnavailableError(failure)


class _Departure:
    """Whether a request may have left, from httpcore's own account of it; keeps one back that would leave too late."""

    def __init__(self, route: Route, now: Clock, not_after: datetime | None) -> None:
        self.left = False
        self._route, self._now, self._not_after = route, now, not_after

    async def __call__(self, event: str, _info: Mapping[str, Any]) -> None:
        if not event.endswith("send_request_headers.started"):
            return
        if self._not_after is not None and self._now() > self._not_after:
            raise TooLateError(
                f"{self._route}: connecting took too long for what was read before; nothing was sent"
            )
        self.left = True


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cause(error: BaseException) -> str:
    """What a failed connection says of itself in words worth repeating; empty for the rest."""
    link: BaseException | None = error
    while link is not None:
        match link:
            case socket.gaierror():
                return "its name is not known"
            case ssl.SSLCertVerificationError():
                return f"its certificate is not accepted ({link.verify_message})"
            case ssl.SSLError() if not isinstance(
                link, ssl.SSLWantReadError
            ):  # that one only means "not yet"
                return "TLS failed"
        link = link.__cause__ or link.__context__
    return ""
