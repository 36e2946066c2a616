"""DICOM over TLS (PS3.15 annex B): who we are, whom we believe, and what is said where that fails.

TLS 1.2 and 1.3 with forward secrecy and authenticated encryption alone, as BCP 195 (RFC 9325, RFC 8996) asks, on which
the profiles of PS3.15 since B.9 stand; nothing older is fallen back to.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrlens.errors import OptionError

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all of that kind
_GONE = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)
_PLAIN = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM.

    Args:
        cert: our certificate, followed by those between it and the authority's.
        key: its private key, without a passphrase.
        ca: certificates of the authorities that a peer's must come from; those of the system where ``None``, and then
            nobody who calls need show one.

    Raises:
        OptionError: a certificate without a key, or the other way round.
    """

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            missing = "--tls-key" if self.key is None else "--tls-cert"
            raise OptionError(missing, "is missing: certificate and key belong together", "give both, or neither")

    @property
    def mutual(self) -> bool:
        """Whether those who call must show a certificate."""
        return self.ca is not None

    def for_callers(self) -> ssl.SSLContext:
        """For the node's door.

        Raises:
            OptionError: no certificate, or a file that is not what it should be.
        """
        if self.cert is None:
            fault = "is missing: without a certificate nobody can call over TLS"
            raise OptionError("--tls-cert", fault, "give --tls-cert and --tls-key, or leave out --tls-ca")
        context = _Later(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        context.verify_mode = ssl.CERT_REQUIRED if self.mutual else ssl.CERT_NONE
        return context

    def for_calling(self) -> ssl.SSLContext:
        """For associations that we ask for: the peer's certificate must be valid for the host that was named.

        Raises:
            OptionError: a file that is not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._load(context)
        if self.ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION
        if self.cert is not None and self.key is not None:
            _load_own(context, self.cert, self.key)
        if self.ca is not None:
            try:
                context.load_verify_locations(self.ca)
            except OSError as error:
                raise _unusable("--tls-ca", self.ca, "a certificate", error) from error


class _Later(ssl.SSLContext):
    """The library takes connections one after the other: a peer that says nothing would keep all others out, if hands
    were shaken there."""

    def wrap_socket(self, sock: socket.socket, *given: Any, **how: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *given, **{**how, "do_handshake_on_connect": False})


def _load_own(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    for name, path, what in (("--tls-cert", cert, "certificate"), ("--tls-key", key, "private key")):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise _unusable(name, path, f"a {what}", error) from error
        if what.upper().encode() + b"-----" not in text:  # of 'BEGIN EC PRIVATE KEY' also
            raise OptionError(f"{name} {path}", f"holds no {what} in PEM", f"give a file with 'BEGIN … {what.upper()}'")
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # it would ask at the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            fault, remedy = f"does not fit the certificate {cert}", "give the key that the certificate was made for"
        else:
            fault, remedy = (
                f"cannot be used with {cert} ({_words(error)})",
                "give files in PEM, a key without passphrase",
            )
        raise OptionError(f"--tls-key {key}", fault, remedy) from error


def _unusable(name: str, path: Path, what: str, error: OSError) -> OptionError:
    if isinstance(error, ssl.SSLError):
        return OptionError(f"{name} {path}", f"holds no {what[2:]} in PEM", "give a file with 'BEGIN CERTIFICATE'")
    fault = f"cannot be read ({error.strerror or type(error).__name__})"
    return OptionError(f"{name} {path}", fault, f"give a file with {what} in PEM, which this account may read")


def refusal(error: OSError) -> str:
    """Why hands were not shaken with a peer, in a few words; blank where it only left."""
    if isinstance(error, _GONE):
        return ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {error.verify_message}"
    if not isinstance(error, ssl.SSLError):
        return "it took too long" if isinstance(error, TimeoutError) else ""
    if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "it showed no certificate"
    return "it speaks no TLS" if error.reason in _PLAIN else _words(error)


def fault_of_calling(context: ssl.SSLContext, host: str, port: int, patience_s: float) -> str:
    """What keeps TLS with a peer from coming about, asked for by one more connection; blank where nothing does, or
    where nobody answers at all."""
    try:
        with socket.create_connection((host, port), patience_s) as plain:
            try:
                with context.wrap_socket(plain, server_hostname=host) as shaken:
                    # With TLS 1.3 a peer that wants a certificate of ours says so only now; else it waits for us.
                    shaken.settimeout(min(patience_s, 1.0))
                    shaken.recv(1)
            except TimeoutError:
                return ""
            except ssl.SSLError as error:
                return refusal(error) or "it ended the connection while hands were shaken"
    except OSError:
        return ""
    return ""


def _words(error: ssl.SSLError) -> str:
    """OpenSSL's reason as words."""
    return (error.reason or type(error).__name__).lower().replace("_", " ")
