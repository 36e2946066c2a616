"""The node's door: answers C-ECHO, and takes images in by C-STORE (PS3.4 annexes A and B)."""

from __future__ import annotations

import errno
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    Verification,
    XRayRadiofluoroscopicImageStorage,
)

from cxrlens.errors import OptionError
from cxrlens.serving.node.door import (
    CANNOT_UNDERSTAND,
    NOT_SUPPORTED,
    OTHER_INSTANCE,
    OUT_OF_RESOURCES,
    Refusal,
    refuse,
)
from cxrlens.serving.node.errors import NodeError
from cxrlens.serving.node.guard import OFFERED_PDU, Guard, send_at_once
from cxrlens.serving.node.states import Accepted
from cxrlens.serving.node.tally import Tally, log
from cxrlens.serving.node.tls import Tls, refusal

SOP_CLASSES: tuple[str, ...] = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    XRayRadiofluoroscopicImageStorage,
)
"""What a radiograph may come as. A context for anything else is rejected when the association is made."""

_SYNTAXES: tuple[str, ...] = (
    pydicom.uid.ExplicitVRLittleEndian,
    pydicom.uid.ImplicitVRLittleEndian,
    pydicom.uid.ExplicitVRBigEndian,
    pydicom.uid.RLELossless,
    pydicom.uid.JPEGLosslessSV1,
    pydicom.uid.JPEGLossless,
    pydicom.uid.JPEGLSLossless,
    pydicom.uid.JPEG2000Lossless,
    pydicom.uid.JPEG2000,
    pydicom.uid.JPEGLSNearLossless,
    pydicom.uid.JPEGBaseline8Bit,
    pydicom.uid.JPEGExtended12Bit,
)
"""In the order in which they are preferred. Not deflated data sets: a few bytes of them may fill the memory."""

_STALL_S, _HANDSHAKE_S = 30.0, 10.0
_LEAVE_S = 5.0
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and to whom the node listens.

    Args:
        aet: its own AE title.
        host: address to bind.
        port: 0 takes a free one.
        allow: calling AE titles that are let in; all of them where empty, which needs loopback or certificates.
        max_bytes: of one object.
        associations: at once; more are rejected for the time being.
        tls: with whose certificate, and which of the peers' are believed; nothing is encrypted where ``None``.

    Raises:
        OptionError: an AE title that is none, or an open door.
    """

    aet: str = "CXRLENS"
    host: str = "127.0.0.1"
    port: int = 11112
    allow: tuple[str, ...] = ()
    max_bytes: int = 256 << 20
    associations: int = 32
    tls: Tls | None = None

    def __post_init__(self) -> None:
        for title in (self.aet, *self.allow):
            check_title(title)
        if not (self.allow or is_loopback(self.host) or (self.tls and self.tls.mutual)):
            fault = "lets any machine in: DICOM has no passwords, a calling AE title is all that a peer shows"
            remedy = "name who may call with --allow AET behind a firewall, or demand certificates with --tls-ca"
            raise OptionError(f"--host {self.host}", fault, remedy)


def check_title(title: str) -> str:
    """An AE title (PS3.5 section 6.2): 1 to 16 printable ASCII characters, no backslash; :class:`OptionError` else."""
    if (
        not (0 < len(title.strip()) <= 16 and len(title) <= 16 and title.isascii() and title.isprintable())
        or "\\" in title
    ):
        raise OptionError(
            f"AE title '{title[:40]}'", "is none", "give 1 to 16 printable ASCII characters, no backslash"
        )
    return title.strip()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Receiver:
    """Takes images in until it is stopped; threads of the library call ``accept``.

    Args:
        listening: where and to whom.
        accept: puts an image into the queue: (SOP Instance UID, the whole file).
        tally: what happened is counted there.
    """

    def __init__(self, listening: Listening, accept: Callable[[str, bytes], Accepted], tally: Tally) -> None:
        self._listening, self._accept, self._tally = listening, accept, tally
        _config.LOG_HANDLER_LEVEL = "none"  # the library's own lines would hold UIDs
        self._entity = AE(listening.aet)
        self._entity.maximum_pdu_size = OFFERED_PDU
        self._entity.maximum_associations = listening.associations
        self._entity.require_calling_aet = list(listening.allow)
        self._entity.network_timeout = self._entity.dimse_timeout = 2 * _STALL_S
        self._entity.acse_timeout = _HANDSHAKE_S
        self._entity.add_supported_context(Verification)
        for sop_class in SOP_CLASSES:
            self._entity.add_supported_context(sop_class, readable_syntaxes())
        self._server: Any = None

    def start(self) -> int:
        """Listen; the port.

        Raises:
            NodeError: the port is taken, or no address of this machine.
            OptionError: files for TLS that are not what they should be.
        """
        where = self._listening
        context = None if where.tls is None else where.tls.for_callers()
        handlers = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_CONN_CLOSE, _wake),
            (evt.EVT_DIMSE_RECV, self._message_ended),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_C_STORE, self._store),
        ]
        try:
            self._server = self._entity.start_server(
                (where.host, where.port), block=False, evt_handlers=handlers, ssl_context=context
            )
        except (OSError, OverflowError, ValueError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            fault = "is taken: another node, or another program" if taken else f"cannot be listened on ({error})"
            raise NodeError(f"{where.host}:{where.port}", fault, "choose another --port or --host") from error
        self._server.socket.listen(_BACKLOG)  # the library's own 5 make a peer among many wait for seconds
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Let nobody in any more, wait a little for those who are in, and send away who stays."""
        if self._server is None:
            return
        self._server.shutdown()
        until = time.monotonic() + _LEAVE_S
        while (inside := self._server.active_associations) and time.monotonic() < until:
            for association in inside:
                transport = association.dul.socket
                if association.requestor.primitive is None and transport is not None:  # never asked for an association
                    transport.close()
            time.sleep(0.05)
        for association in inside:
            association.abort()
        self._server = None

    def _opened(self, event: evt.Event) -> None:
        send_at_once(event)
        transport = event.assoc.dul.socket
        transport.socket.settimeout(_STALL_S)
        shake = None if self._listening.tls is None else partial(self._shake, transport, event.address[0])
        transport.guard = Guard(transport, self._listening.max_bytes, shake)
        transport.recv = transport.guard.receive

    def _shake(self, transport: Any, address: str) -> None:
        """TLS with a peer, in its own thread; :class:`OSError` where it does not come about, and the library closes."""
        transport.socket.settimeout(_HANDSHAKE_S)
        try:
            transport.socket.do_handshake()
        except OSError as error:
            reason = refusal(error)
            if reason:
                self._tally.add("rejected associations")
                log.warning("rejected a connection from %s: %s", address, reason)
            raise
        transport.socket.settimeout(_STALL_S)

    def _message_ended(self, event: evt.Event) -> None:
        transport = event.assoc.dul.socket
        if transport is not None:  # closed meanwhile
            transport.guard.message_ended()

    def _rejected(self, event: evt.Event) -> None:
        self._tally.add("rejected associations")
        log.warning("rejected an association of '%s'", str(event.assoc.requestor.ae_title)[:16])

    def _store(self, event: evt.Event) -> Dataset:
        request = event.request
        sop_class, sop_instance = str(request.AffectedSOPClassUID or ""), str(request.AffectedSOPInstanceUID or "")
        refusal = self._refusal(event, sop_class, sop_instance)
        status = Dataset()
        status.Status = 0x0000 if refusal is None else refusal.status
        if refusal is not None:
            status.ErrorComment = refusal.reason
            log.warning("took no object of '%s': %s", str(event.assoc.requestor.ae_title)[:16], refusal.reason)
        return status

    def _refusal(self, event: evt.Event, sop_class: str, sop_instance: str) -> Refusal | None:
        try:
            data = event.encoded_dataset()
        except (AttributeError, ValueError, TypeError):
            self._tally.add("refused")
            return Refusal(CANNOT_UNDERSTAND, "the request has no data set")
        if sop_class != event.context.abstract_syntax or sop_class not in SOP_CLASSES:
            self._tally.add("refused")
            return Refusal(NOT_SUPPORTED, "the SOP class is not the one that was agreed on")
        refusal = refuse(data, sop_class, sop_instance)
        if refusal is not None:
            self._tally.add("refused")
            return refusal
        accepted = self._accept(sop_instance, data)
        self._tally.add(
            {"new": "accepted", "again": "sent again", "other": "refused", "full": "no room"}[accepted.value]
        )
        if accepted is Accepted.OTHER:
            return Refusal(OTHER_INSTANCE, "another object of this SOP Instance UID was accepted before")
        if accepted is Accepted.FULL:
            return Refusal(OUT_OF_RESOURCES, "the queue or its disk is full; send it again later")
        return None


def _wake(event: evt.Event) -> None:
    """A peer that connects and leaves without a word, as a port check does: the library's thread would hold one of the
    few places until its time is over."""
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)


def readable_syntaxes() -> list[str]:
    """Transfer syntaxes that can be decoded here; the compressed ones need decoders of the extra."""
    return [uid for uid in _SYNTAXES if pydicom.pixels.get_decoder(uid).is_available]
