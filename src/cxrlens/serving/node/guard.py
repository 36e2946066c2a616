"""Limits on what a peer may make the node hold in memory, and for how long it may keep it waiting.

The upper-layer protocol (PS3.8) lets a peer announce a PDU of 4 GiB, and puts no limit on a message of many of them.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LONGEST_PDU = 1 << 20
"""Longer than any request for an association with all its contexts, and than :data:`OFFERED_PDU`."""

OFFERED_PDU = 128 << 10
"""What peers are told that they may send at once."""

_LONGEST_S = 120.0
"""For one PDU: a peer that sends a byte now and then keeps a place for itself no longer than that."""

_HEAD = 6
_AT_ONCE = 64 << 10


@dataclass(slots=True)
class Guard:
    """Stands between one peer's socket and the library: beyond a limit the connection is closed.

    Args:
        transport: the library's own wrapper of the socket.
        max_bytes: of one message, that is of one image.
        shake: is called before the first byte is taken, in the peer's own thread; ``None``: there is nothing to do.
    """

    transport: Any
    max_bytes: int
    shake: Callable[[], None] | None = None
    taken: int = 0

    def receive(self, count: int) -> bytearray:
        """The next ``count`` bytes, fewer where the peer has closed.

        Raises:
            OSError: a PDU or a message beyond its limit, or a peer that stalls; the library then closes.
        """
        if self.shake is not None:
            shake, self.shake = self.shake, None
            shake()
        if count > _LONGEST_PDU:
            raise OSError("a PDU is longer than allowed")
        if count != _HEAD:
            self.taken += count
            if self.taken > self.max_bytes + _LONGEST_PDU:
                raise OSError("an object is larger than allowed")
        found = bytearray(count)
        view, start = memoryview(found), 0
        until = time.monotonic() + _LONGEST_S
        while start < count:
            got = self.transport.socket.recv_into(view[start : start + _AT_ONCE])
            if not got:
                view.release()
                return found[:start]
            start += got
            if time.monotonic() > until:
                raise OSError("a PDU takes longer than allowed")
        return found

    def message_ended(self) -> None:
        """What follows is another message."""
        self.taken = 0


def send_at_once(event: Any) -> None:
    """For a connection that opens: a short PDU is not held back for the answer to the last one (RFC 896), which peers
    delay by 40 ms in turn."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
