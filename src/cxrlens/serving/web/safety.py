"""The outermost layer: who may ask, how long an upload may take, what every answer bears, what is logged of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxrlens.serving.web.metrics import Metrics
from cxrlens.serving.web.openapi import GUARDED
from cxrlens.serving.web.options import ServerOptions, is_loopback
from cxrlens.serving.web.problems import Problem, unforeseen

log = logging.getLogger("cxrlens.web")

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
"""On every answer, errors too."""

_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
_LINGER_S, _LINGER_BYTES = 5.0, 1 << 30


class Guard:
    """ASGI middleware around everything.

    Args:
        app: what answers.
        options: host, token and limits.
        metrics: to count with.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions, metrics: Metrics) -> None:
        self.app = app
        self.options = options
        self.metrics = metrics
        self.now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self.options)
        start = time.perf_counter()
        self.now += 1
        try:
            self._check(scope)
            await self.app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = exchange.status or 499  # nobody is there to be told
        except Problem as problem:
            self.metrics.problems.labels(problem.kind).inc()
            await exchange.tell(problem, scope)
        except Exception as error:  # noqa: BLE001
            self.metrics.faults.inc()
            await exchange.tell(unforeseen(error, route_of(scope)), scope)
        finally:
            self.now -= 1
            self._count(scope, exchange.status or 499, time.perf_counter() - start)

    def _check(self, scope: Scope) -> None:
        """:class:`Problem` where this request is not to be answered at all."""
        if self.now > self.options.limits.max_requests and scope["path"] != "/health":
            raise Problem(503, "busy", "too many requests at one time; send it again in 2 s", {"Retry-After": "2"})
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.options.loopback and not is_loopback(host_of(host)):
            # A page of another site whose name was made to point here (DNS rebinding) would send its own name.
            raise Problem(421, "host", "this server answers under the names localhost, 127.0.0.1 and [::1] alone")
        if not str(scope["path"]).startswith(GUARDED):
            return
        if self.options.token:
            self._check_token(headers.get("authorization", ""))
            return  # a page of another site does not have the token
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") or (origin is not None and urlsplit(origin).netloc != host):
            raise Problem(403, "cross-site", "pages of other sites may not ask this server; open its own page")

    def _check_token(self, given: str) -> None:
        kind, _space, token = given.partition(" ")
        right = secrets.compare_digest(token.strip().encode("utf-8", "replace"), self.options.token.encode())
        if kind.lower() != "bearer" or not right:
            detail = "the token is missing or wrong; send the header 'Authorization: Bearer TOKEN'"
            raise Problem(401, "token", detail, {"WWW-Authenticate": 'Bearer realm="cxrlens"'})

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        # The route's pattern, not the path: an id opens a result, and a mistyped path may hold a name.
        log.info("%s %s %d %.1f ms", method, route, status, seconds * 1000)


class _Exchange:
    """One request's ``receive`` and ``send``, with time limits and headers."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, options: ServerOptions) -> None:
        self._receive = receive
        self._send = send
        self._limits = options.limits
        self._until = time.monotonic() + options.limits.upload_s
        self._whole = not _has_body(scope)
        self.status = 0

    async def receive(self) -> Message:
        """The next part of the body, :class:`Problem` 408 where it does not come in time."""
        if self._whole:
            return await self._receive()
        patience = min(self._limits.idle_s, self._until - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(patience, 0.001))
        except TimeoutError:
            raise Problem(408, "slow-upload", "the upload did not arrive in time; send it again") from None
        self._whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass it on, with the headers that everything bears."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if not self._whole:
                headers["Connection"] = "close"
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not last or self._whole:
            await self._send(message)
            return
        # The client is still sending. Closing at once would reset the connection before it has read why.
        await self._send({**message, "more_body": True})
        await self._linger()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def tell(self, problem: Problem, scope: Scope) -> None:
        """Send a problem, unless an answer is already on its way."""
        if not self.status:
            await problem.response()(scope, self.receive, self.send)

    async def _linger(self) -> None:
        """Let what is still arriving go by, for a little while; none of it is kept."""
        until, seen = time.monotonic() + _LINGER_S, 0
        while not self._whole and seen < _LINGER_BYTES and (left := until - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self._receive(), min(left, 1.0))
            except TimeoutError:
                return
            seen += len(message.get("body", b""))
            self._whole = message["type"] == "http.disconnect" or not message.get("more_body", False)


def host_of(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if ":" in header else header


def route_of(scope: Scope) -> str:
    """The pattern that a request matched, which holds nothing a client chose."""
    pattern = getattr(scope.get("route"), "path", "")
    if pattern:
        return str(pattern)
    return "/static" if str(scope["path"]).startswith("/static/") else "(none)"


def _has_body(scope: Scope) -> bool:
    names = {name for name, _value in scope["headers"]}
    return b"transfer-encoding" in names or dict(scope["headers"]).get(b"content-length", b"0") != b"0"
