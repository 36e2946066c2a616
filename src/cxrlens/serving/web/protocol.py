"""HTTP over TCP as uvicorn speaks it, with time limits on both sides and a problem for what is no HTTP."""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cxrlens.serving.web.problems import MEDIA_TYPE, Problem


class TimedProtocol(H11Protocol):
    """Gives a client up that does not send its headers or does not read its answer: uvicorn would wait for ever."""

    headers_s = 10.0
    reading_s = 120.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Stop it when a request has begun; start it for the next one's first bytes."""
        super().data_received(data)
        if self._answering():
            self._stop()
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for."""
        self._stop()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close what is idle; what is still being read may be read on for a while, and then it is cut off."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.reading_s, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """As a problem, like every other error."""
        problem = Problem(400, "http", "this is no HTTP request; use an HTTP client")
        body = json.dumps(problem.to_dict()).encode()
        headers = [("content-type", MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            parts = (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), h11.Data(data=body))
            for part in (*parts, h11.EndOfMessage()):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_headers(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.headers_s, self._too_slow)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()
