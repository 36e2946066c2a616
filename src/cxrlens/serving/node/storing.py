"""Results to an archive by C-STORE (PS3.4 annex B)."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.status import code_to_category

from cxrlens.errors import OptionError
from cxrlens.serving.node.checkpoint import mend
from cxrlens.serving.node.errors import ArchiveDownError
from cxrlens.serving.node.guard import send_at_once
from cxrlens.serving.node.outbox import Delivery
from cxrlens.serving.node.receiver import check_title
from cxrlens.serving.node.states import Outcome, Parcel
from cxrlens.serving.node.tls import fault_of_calling

_CONNECT_S, _ANSWER_S = 10.0, 60.0
_DUPLICATE = 0x0111
_LATER = (0x0110, 0x0124, 0x0210, 0x0213)
"""Processing failure, not authorised, duplicate invocation, resource limitation (PS3.7 annex C): they pass, or somebody
mends them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A DICOM archive.

    Args:
        aet: its AE title.
        host: name or address.
        port: number.
    """

    aet: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.aet}@{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Peer:
        """From ``AET@HOST:PORT``; :class:`OptionError` where it is none."""
        aet, at, where = text.partition("@")
        host, colon, port = where.rpartition(":")
        if not (at and colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise OptionError(f"--send {text}", "is not AET@HOST:PORT", "write it as --send ORTHANC@127.0.0.1:4242")
        return cls(check_title(aet), host.strip("[]"), int(port))


def _opened(event: Any) -> None:
    """A peer that goes silent is given up. The library reads a whole PDU once there is anything to read, and over TLS
    1.3 the session's tickets are: without a time limit of the socket's own it would wait for ever."""
    send_at_once(event)
    event.assoc.dul.socket.socket.settimeout(_ANSWER_S)


class StoreArchive:
    """Sends by C-STORE, the results of several images over one association.

    Args:
        peer: the archive.
        aet: our own title.
        tls: how to call it over TLS; it is called without where ``None``.
    """

    def __init__(self, peer: Peer, aet: str, tls: ssl.SSLContext | None = None) -> None:
        self._peer, self._tls = peer, tls
        _config.LOG_HANDLER_LEVEL = "none"
        _config.STORE_SEND_CHUNKED_DATASET = True  # a file goes out as it lies there, and is not decoded first
        self._entity = AE(aet)
        self._entity.connection_timeout = _CONNECT_S
        self._entity.acse_timeout = self._entity.dimse_timeout = self._entity.network_timeout = _ANSWER_S

    def deliver(self, parcels: Sequence[Parcel]) -> Generator[Delivery, None, None]:
        """See :class:`cxrlens.serving.node.outbox.Archive`."""
        if not parcels:
            return
        metas = {path: pydicom.filereader.read_file_meta_info(path) for p in parcels for path in p.parts.values()}
        with self._association(metas.values()) as association:
            for parcel in parcels:
                outcomes: dict[int, Outcome] = {}
                notes: list[str] = []
                for part, path in parcel.parts.items():
                    status = _send(association, path, metas[path])
                    if status is None:
                        yield Delivery(parcel, outcomes, "the association ended while they were sent; they wait")
                        raise ArchiveDownError(str(self._peer), "ended the association", "look at the archive's log")
                    outcomes[part] = outcome_of(status)
                    if outcomes[part] is not Outcome.TAKEN:
                        notes.append(f"part {part} {said(status, outcomes[part])}")
                yield Delivery(parcel, outcomes, ", ".join(notes))

    @contextmanager
    def _association(self, metas: Any) -> Iterator[Any]:
        classes = sorted({str(meta.MediaStorageSOPClassUID) for meta in metas})
        # Implicit VR is what every archive must take (PS3.5 section 10.1); explicit is how results are written.
        syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
        association = self._entity.associate(
            self._peer.host,
            self._peer.port,
            contexts=[build_context(sop_class, syntax) for sop_class in classes for syntax in syntaxes],
            ae_title=self._peer.aet,
            tls_args=None if self._tls is None else (self._tls, self._peer.host),
            evt_handlers=[(evt.EVT_CONN_OPEN, _opened)],
        )
        try:
            if not association.is_established:
                raise self._down(association)
            mend(association)
            yield association
        finally:
            if association.is_established:
                association.release()

    def _down(self, association: Any) -> ArchiveDownError:
        if association.is_rejected:
            return ArchiveDownError(str(self._peer), "rejected the association", "let it know the node's AE title")
        if association.rejected_contexts:  # the library ends an association of which nothing is left
            return ArchiveDownError(str(self._peer), "takes none of the results' SOP classes", "change its settings")
        if self._tls is not None:
            fault = fault_of_calling(self._tls, self._peer.host, self._peer.port, _CONNECT_S)
            if fault:
                remedy = "check --tls-ca, --tls-cert, and that its certificate is for this host"
                return ArchiveDownError(str(self._peer), f"cannot be called over TLS: {fault}", remedy)
        return ArchiveDownError(str(self._peer), "does not answer", "start it, and check host and port")


def _send(association: Any, path: Path, meta: Any) -> int | None:
    """The archive's status; ``None`` where the association ended instead."""
    offered = {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in association.accepted_contexts}
    sop_class, written = str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    if not association.is_established:
        return None
    if (sop_class, written) in offered:
        answer = association.send_c_store(path)
    elif (sop_class, str(ImplicitVRLittleEndian)) in offered:
        answer = association.send_c_store(pydicom.dcmread(path))
    else:
        return 0x0122
    return int(answer.Status) if "Status" in answer else None


def outcome_of(status: int) -> Outcome:
    """What a C-STORE status, or a STOW-RS failure reason, means for a result: warnings are success."""
    if status == _DUPLICATE or code_to_category(status) in ("Success", "Warning"):
        return Outcome.TAKEN
    return Outcome.LATER if status in _LATER or 0xA700 <= status <= 0xA7FF else Outcome.REFUSED


def said(status: int, outcome: Outcome) -> str:
    """The same in words."""
    return f"{'refused' if outcome is Outcome.REFUSED else 'put off'} with status 0x{status:04X}"
