"""A connection to a DICOMweb archive (PS3.18), with limits: how large an answer may be, and how long it may take."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from dicomweb_client.api import DICOMwebClient

from cxrlens.errors import OptionError
from cxrlens.serving.node.errors import ArchiveDownError

TOKEN_VARIABLE = "CXRLENS_DICOMWEB_TOKEN"  # noqa: S105 # the variable's name
"""Environment variable with a bearer token; a name and password for HTTP Basic stand in ``~/.netrc``."""

_CONNECT_S, _READ_S, _WHOLE_S = 10.0, 60.0, 300.0
_CHUNK = 1 << 20


class TooLargeError(requests.RequestException):
    """An answer beyond the limit."""


def connect(url: str, max_bytes: int) -> DICOMwebClient:
    """A client that neither tries again by itself nor takes in more than it should.

    Args:
        url: of the DICOMweb service, for example ``http://127.0.0.1:8042/dicom-web``.
        max_bytes: of one answer.

    Raises:
        OptionError: no URL of HTTP or HTTPS.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise OptionError(shown(url), "is no URL of a DICOMweb service", "write it as http://HOST:PORT/dicom-web")
    if parts.username or parts.password:
        raise OptionError(shown(url), "holds a name or password", f"put it into ~/.netrc, or set {TOKEN_VARIABLE}")
    session = requests.Session()
    if os.environ.get(TOKEN_VARIABLE):
        session.headers["Authorization"] = f"Bearer {os.environ[TOKEN_VARIABLE]}"
    client = DICOMwebClient(
        url.rstrip("/"),
        session,
        callback=_bounded(max_bytes),
        chunk_size=1 << 30,  # bodies go out whole: not every archive takes chunked ones
        permissive_uid=True,  # archives hold UIDs with leading zeros
        timeout=(_CONNECT_S, _READ_S),
    )
    client.set_http_retry_params(retry=False)
    return client


def shown(url: str) -> str:
    """The URL for a message: without name, password or query."""
    parts = urlsplit(url)
    place = parts.hostname or ""
    try:
        place += f":{parts.port}" if parts.port else ""
    except ValueError:
        place += ":?"
    return urlunsplit((parts.scheme, place, parts.path, "", "")) or "the URL"


@contextmanager
def errors_in_one_line(url: str) -> Any:
    """Whatever HTTP makes of an archive that does not answer becomes :class:`ArchiveDownError`."""
    try:
        yield
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        remedy = {
            401: f"put a name and password into ~/.netrc, or set {TOKEN_VARIABLE}",
            403: "let this account do it",
            404: "check the path of its DICOMweb service, as in /dicom-web",
        }.get(code, "look at the archive's log")
        raise ArchiveDownError(shown(url), f"answered with HTTP status {code}", remedy) from error
    except requests.Timeout as error:
        raise ArchiveDownError(shown(url), "took too long to answer", "try again later") from error
    except TooLargeError as error:
        raise ArchiveDownError(shown(url), f"sent {error}", "ask for less, or raise --max-mib") from error
    except requests.RequestException as error:
        raise ArchiveDownError(
            shown(url), f"does not answer ({type(error).__name__})", "start it, check the URL"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        fault = f"answered with something that is no DICOMweb ({type(error).__name__})"
        raise ArchiveDownError(shown(url), fault, "check the path of its DICOMweb service, as in /dicom-web") from error


def _bounded(max_bytes: int) -> Callable[..., requests.Response]:
    """A hook that reads an answer's body before the library does, no more than allowed and no longer."""

    def read(response: requests.Response, *_: object, **__: object) -> requests.Response:
        until = time.monotonic() + _WHOLE_S
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > max_bytes:
                response.close()
                raise TooLargeError(f"more than {max_bytes / 2**20:.0f} MiB at once")
            if time.monotonic() > until:
                response.close()
                raise requests.Timeout
        response._content = bytes(body)  # what the library itself sets once it has read the body
        return response

    return read
