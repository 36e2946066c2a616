"""How the server runs: where it listens, what it lets in, how long it waits and what it remembers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from cxrlens.errors import OptionError
from cxrlens.sources.limits import ReadLimits

MIB = 1 << 20

SHORTEST_TOKEN = 16
"""Characters; fewer can be guessed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is let in, checked before anything is decoded.

    Args:
        max_bytes: of one file.
        max_body: of one request, all its files together.
        max_files: of one request.
        max_pixels: rows × columns of one film; the default lets the largest detectors in use (43 cm at 0.1 mm) pass.
        in_flight: bytes of all uploads together that are held at one time.
        max_requests: that are answered at one time.
        idle_s: seconds without a byte, of headers or of an upload, after which a client is given up.
        upload_s: seconds that an upload may take altogether.
    """

    max_bytes: int = 64 * MIB
    max_body: int = 256 * MIB
    max_files: int = 64
    max_pixels: int = 25_000_000
    in_flight: int = 512 * MIB
    max_requests: int = 512
    idle_s: float = 10.0
    upload_s: float = 120.0

    @property
    def reading(self) -> ReadLimits:
        """For the decoders."""
        return ReadLimits(max_pixels=self.max_pixels, max_bytes=self.max_bytes)


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of what was answered is remembered, in memory alone; the oldest goes first.

    Args:
        minutes: how long.
        count: how many answers.
        max_bytes: of films and sources together.
    """

    minutes: float = 30.0
    count: int = 1000
    max_bytes: int = 512 * MIB


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Everything that can be chosen.

    Args:
        host: address to listen on; another than this machine's own demands a token.
        port: 0 asks the system for a free one.
        token: that every call of the API must bear; blank where none is asked for.
        queue: radiographs that may wait or be judged at one time; more are told to come back.
        batch: radiographs that are judged together, at most.
        wait_ms: how long a radiograph waits for others that are being decoded.
        deadline_s: seconds from the end of an upload to its answer.
        decoders: threads that decode; 0 takes one for each core this process may use.
        limits: what is let in.
        keep: what is remembered.

    Raises:
        OptionError: a host beyond this machine without a token, a weak token, or a number out of its range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = field(default="", repr=False)
    queue: int = 256
    batch: int = 8
    wait_ms: float = 4.0
    deadline_s: float = 30.0
    decoders: int = 0
    limits: Limits = Limits()
    keep: Keep = Keep()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise OptionError(f"--port {self.port}", "is no port", "give 1 to 65535, or 0 for any free one")
        numbers = {"--queue": self.queue, "--batch": self.batch, "--keep-minutes": self.keep.minutes}
        numbers |= {"--max-mib": self.limits.max_bytes, "the deadline": self.deadline_s}
        for name, value in numbers.items():
            if not value > 0:
                raise OptionError(f"{name} {value:g}", "is too small", "give a number above 0")
        plain = self.token.isascii() and self.token.isprintable()
        if self.token and (len(self.token) < SHORTEST_TOKEN or not plain):
            fault = f"is shorter than {SHORTEST_TOKEN} characters or not plain text"
            raise OptionError("the token", fault, _REMEDY)
        if not self.loopback and not self.token:
            raise OptionError(f"--host {self.host}", "lets other machines in, and no token is set", _REMEDY)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def server_options(max_mib: float, keep_minutes: float, others: dict[str, Any]) -> ServerOptions:
    """As the command line takes them.

    Args:
        max_mib: of one file; a request may hold four such files, and the server eight at one time.
        keep_minutes: of a result.
        others: further arguments of :class:`ServerOptions`.

    Raises:
        OptionError: a value out of its range.
    """
    largest = int(max_mib * MIB)
    return ServerOptions(
        limits=Limits(max_bytes=largest, max_body=4 * largest, in_flight=8 * largest),
        keep=Keep(minutes=keep_minutes),
        **others,
    )


_REMEDY = (
    "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))' > token.txt "
    "and give --token-file token.txt, or set CXRLENS_TOKEN"
)


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, is this machine's own (RFC 6890, RFC 6761 section 6.3)."""
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
