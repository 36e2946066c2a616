"""Downloads that survive interruption: resumed where they stopped, checked, and renamed into place at the end."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.folders import make_folder
from cxrlens.progress import Progress, quiet
from cxrlens.sources.public_set import RemoteFile

_CHUNK = 1 << 20
_TIMEOUT_S = 60.0
_AGENT = "cxrlens (research software)"


class FetchError(CxrlensError):
    """A public set that could not be had."""


def download(file: RemoteFile, target: Path, progress: Progress = quiet, attempts: int = 3) -> Path:
    """Download to ``target``; an earlier, unfinished ``target``.part is continued (RFC 9110 section 14).

    Args:
        file: address, and size and SHA-256 where known.
        target: final place; it appears only when everything is checked.
        progress: counts pieces of 1 MiB.
        attempts: how often a broken connection is taken up again.

    Raises:
        FetchError: refused, gone, no network, cut off, or not what was promised. What came so far stays for the
            next run.
    """
    if target.is_file():
        return target
    make_folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, attempts + 1):
        had = part.stat().st_size if part.exists() else 0
        try:
            _continue(file.url, part, progress)
            break
        except (ConnectionError, TimeoutError, http.client.HTTPException, urllib.error.URLError) as error:
            if isinstance(error, urllib.error.HTTPError):
                raise _refused(file.url, error) from error
            came = (part.stat().st_size if part.exists() else 0) - had
            if attempt == attempts or came <= 0:
                have = part.stat().st_size if part.exists() else 0
                reason = str(getattr(error, "reason", error)) or type(error).__name__
                fault = (
                    f"broke off after {have / 2**20:.1f} MiB ({reason})" if have else f"cannot be reached ({reason})"
                )
                raise FetchError(
                    file.url, fault, "check the network and run the command again: it goes on from there"
                ) from error
        except OSError as error:
            raise FetchError(
                part, f"cannot be written ({error.strerror})", "make room, or choose another folder"
            ) from error
    _check(file, part)
    part.replace(target)
    _tag_file(part).unlink(missing_ok=True)
    return target


def _continue(url: str, part: Path, progress: Progress) -> None:
    """One connection: ask for what is missing, and append it; start anew where that cannot be."""
    if not url.startswith(("https://", "http://")):
        raise FetchError(url, "is no web address", "it must start with https://")
    have = part.stat().st_size if part.exists() else 0
    tag = _tag_file(part).read_text() if have and _tag_file(part).is_file() else ""
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag:
            headers["If-Range"] = tag
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  (the scheme is checked above)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is missing, or the file is another one
            if _whole_size(error.headers.get("Content-Range", "")) == have:
                return
            part.unlink()
            _continue(url, part, progress)
            return
        raise
    with response:
        start = _start_of(response.headers.get("Content-Range", "")) if response.status == 206 else 0
        if start not in (0, have):
            raise FetchError(url, f"sent bytes from {start} where {have} were asked for", "remove the .part file")
        _tag_file(part).write_text(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
        promised = int(response.headers.get("Content-Length") or 0)
        pieces = progress(_pieces(response), total=-(-promised // _CHUNK), what=f"downloading {part.stem}")
        came = 0
        with part.open("ab" if start else "wb") as out:
            for piece in pieces:
                out.write(piece)
                came += len(piece)
        if promised and came < promised:
            raise ConnectionError(f"{promised - came} bytes are missing")


def _pieces(response: Any) -> Iterator[bytes]:
    while True:
        try:
            piece = response.read1(_CHUNK)  # what has come, so that a cut loses nothing
        except http.client.IncompleteRead as error:
            yield error.partial
            raise
        if not piece:
            return
        yield piece


def _check(file: RemoteFile, part: Path) -> None:
    size = part.stat().st_size
    if file.size and size != file.size:
        part.unlink()
        raise FetchError(file.url, f"gave {size} bytes, not {file.size}", "run the command again; it starts anew")
    if file.sha256:
        with part.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
        if digest != file.sha256.lower():
            part.unlink()
            fault = f"gave a file with SHA-256 {digest[:16]}…, not {file.sha256[:16]}…"
            raise FetchError(
                file.url, fault, "run the command again; if it stays so, the file was changed: ask its publisher"
            )


def _refused(url: str, error: urllib.error.HTTPError) -> FetchError:
    if error.code in (401, 403):
        return FetchError(url, f"refuses access (HTTP {error.code})", "sign in on its page and download it by hand")
    if error.code in (404, 410):
        return FetchError(url, f"is not there any more (HTTP {error.code})", "look on the set's page for its new place")
    return FetchError(url, f"cannot be had now (HTTP {error.code} {error.reason})", "try again later")


def _tag_file(part: Path) -> Path:
    """Beside the unfinished file: the validator of the version it is of."""
    return part.with_name(f"{part.name}.etag")


def _start_of(content_range: str) -> int:
    match = re.match(r"bytes (\d+)-", content_range)
    return int(match[1]) if match else -1


def _whole_size(content_range: str) -> int:
    match = re.match(r"bytes \*/(\d+)", content_range)
    return int(match[1]) if match else -1
