"""What a client sends, taken into memory under limits while it arrives; nothing is ever written to the disk.

The framework's own form parser is not used: it spools files beyond a megabyte to a temporary file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from cxrlens.serving.web.options import MIB, Limits
from cxrlens.serving.web.problems import Problem

FIELD = "files"
_LONGEST_NAME = 200
_NOT_TAKEN = ("application/json", "multipart/")


@dataclass(frozen=True, slots=True)
class Upload:
    """One file.

    Args:
        name: as the client calls it, without folders; said back to this client alone, never logged.
        data: the whole file.
    """

    name: str
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Budget:
    """Bytes of all uploads that are held at one time. Used by the event loop alone.

    Args:
        most: bytes.
    """

    most: int
    held: int = 0

    def take(self, count: int) -> None:
        """:class:`Problem` 503 where there is no room."""
        if self.held + count > self.most:
            detail = "the server holds as many uploads as it may; send it again a little later"
            raise Problem(503, "busy", detail, {"Retry-After": "2"})
        self.held += count

    def give(self, count: int) -> None:
        """Give back what was taken."""
        self.held -= count


@dataclass(slots=True)
class Reader:
    """Reads one request's body.

    Args:
        limits: of files and of the request.
        budget: shared by all requests.
        taken: bytes that this request took from the budget; the caller gives them back when it is answered.
    """

    limits: Limits
    budget: Budget
    taken: int = 0

    async def read(self, request: Request) -> list[Upload]:
        """The files, in order.

        Raises:
            Problem: 413 beyond a limit, 415 another content type, 422 a form without files, 503 no room.
            ClientDisconnect: the client is gone.
        """
        kind = request.headers.get("content-type", "")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem(415, "content-encoding", "compressed requests are not taken; send the file as it is")
        media, options = parse_options_header(kind)
        if media.lower() == b"multipart/form-data":
            boundary = options.get(b"boundary")
            if not boundary:
                raise Problem(422, "form", "the form has no boundary; let the client library write the content type")
            return await self._form(self._body(request, self.limits.max_body), boundary)
        if kind.lower().startswith(_NOT_TAKEN):
            detail = f"send multipart/form-data with the field '{FIELD}', or the bytes of one file as the body"
            raise Problem(415, "content-type", detail)
        chunks = [chunk async for chunk in self._body(request, self.limits.max_bytes)]
        return [Upload("upload", b"".join(chunks))]

    async def _body(self, request: Request, most: int) -> AsyncIterator[bytes]:
        """Chunks as they arrive; never more than ``most`` bytes, whatever was declared."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_large("the request", most)
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk: bytes = message.get("body", b"")
            if self.taken + len(chunk) > most:
                raise too_large("the request", most)
            self.budget.take(len(chunk))
            self.taken += len(chunk)
            if chunk:
                yield chunk
            if not message.get("more_body", False):
                return

    async def _form(self, body: AsyncIterator[bytes], boundary: bytes) -> list[Upload]:
        form = _Form(self.limits)
        try:
            parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
            async for chunk in body:
                parser.write(chunk)
            parser.finalize()
        except (FormParserError, ValueError) as error:
            raise Problem(422, "form", "the form is garbled; let the client library write it") from error
        if not form.ended:
            raise Problem(422, "form", "the form breaks off before its end; send it again")
        if not form.uploads:
            raise Problem(422, "form", f"the form holds no file; put one or more into the field '{FIELD}'")
        return form.uploads


class _Form:
    """Collects the parts of a form; each file in memory, none beyond the limit."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.uploads: list[Upload] = []
        self.ended = False
        self._clear()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._clear,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._headers_done,
            "on_part_data": self._data,
            "on_part_end": self._part,
            "on_end": self._end,
        }

    def _clear(self) -> None:
        self._field, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._name = ""
        self._chunks: list[bytes] = []
        self._size = 0

    def _header(self) -> None:
        if bytes(self._field).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def _headers_done(self) -> None:
        _kind, options = parse_options_header(self._disposition)
        if options.get(b"name", b"") != FIELD.encode():
            raise Problem(422, "form", f"the form has a field that is not '{FIELD}'; put files there and nothing else")
        if len(self.uploads) >= self.limits.max_files:
            most = self.limits.max_files
            raise Problem(413, "too-many-files", f"one request takes {most} files; send the rest in others")
        self._name = clean_name(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self.limits.max_bytes:
            raise too_large("a file", self.limits.max_bytes)
        self._chunks.append(data[start:end])

    def _part(self) -> None:
        self.uploads.append(Upload(self._name, b"".join(self._chunks)))
        self._chunks = []

    def _end(self) -> None:
        self.ended = True


def too_large(what: str, most: int) -> Problem:
    """413."""
    size = f"{most / MIB:g} MiB" if most >= MIB else f"{most} bytes"
    return Problem(413, "too-large", f"{what} is larger than the limit of {size}; shrink it, or raise --max-mib")


def clean_name(name: str) -> str:
    """A file's name without its folders and without anything that a terminal or a page might obey."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C")
    return shown[:_LONGEST_NAME].strip() or "upload"
