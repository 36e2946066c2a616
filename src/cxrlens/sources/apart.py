"""Decoding in a process of its own: GDCM ends its process on some corrupt JPEG files (``std::terminate``), and a bad
file must not take a server or a whole collection with it.

Each thread that needs it has one helper, started at the first such file and asked again for the next ones. Files go
through pipes, never over the disk. The helper is this module run as a program; it ends when its input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

PATIENCE_S = 60.0
"""After so long a helper is taken to hang."""

_own = threading.local()


def decode_apart(data: bytes, syntax: str, plugin: str) -> NDArray[Any]:
    """Stored values of a DICOM file, decoded by a helper.

    Args:
        data: the whole file.
        syntax: UID of its transfer syntax, which a file without meta does not tell.
        plugin: of pydicom's.

    Returns:
        (H, W), or (H, W, 3) RGB.

    Raises:
        RuntimeError: it cannot be decoded, or the decoder died or hung over it.
    """
    helper = _helper()
    timer = threading.Timer(PATIENCE_S, helper.kill)
    timer.start()
    try:
        assert helper.stdin is not None
        assert helper.stdout is not None
        _send(helper.stdin, {"syntax": syntax, "plugin": plugin}, data)
        told, values = _take(helper.stdout)
    except (OSError, ValueError) as error:
        helper.kill()
        helper.wait()
        del _own.helper
        raise RuntimeError("the decoder died over them") from error
    finally:
        timer.cancel()
    if "error" in told:
        raise RuntimeError(told["error"])
    return np.frombuffer(values, np.dtype(told["dtype"])).reshape(told["shape"]).copy()


def _helper() -> subprocess.Popen[bytes]:
    """This thread's; a forked process must not speak through its parent's pipes."""
    helper: subprocess.Popen[bytes] | None = getattr(_own, "helper", None)
    if helper is None or _own.process != os.getpid() or helper.poll() is not None:
        command = [sys.executable, "-P", "-m", __name__]  # never from the folder that we happen to be in
        pipe = subprocess.PIPE
        helper = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
        )  # an interrupt from the keyboard is for us: we may want an answer still
        _own.helper, _own.process = helper, os.getpid()
    return helper


def _send(out: IO[bytes], head: dict[str, Any], data: bytes) -> None:
    out.write(json.dumps({**head, "bytes": len(data)}).encode() + b"\n")
    out.write(data)
    out.flush()


def _take(source: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """:class:`ValueError` where the other side is gone."""
    head: dict[str, Any] = json.loads(source.readline())
    data = source.read(head["bytes"])
    if len(data) != head["bytes"]:
        raise ValueError("broken off")
    return head, data


def _serve(source: IO[bytes], out: IO[bytes]) -> None:
    import io

    import pydicom
    from pydicom.dataset import FileMetaDataset

    while True:
        try:
            asked, data = _take(source)
        except ValueError:
            return
        try:
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            if getattr(dataset, "file_meta", None) is None:
                dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(asked["syntax"])
            stored = np.ascontiguousarray(pydicom.pixels.pixel_array(dataset, decoding_plugin=asked["plugin"]))
            _send(out, {"dtype": stored.dtype.str, "shape": stored.shape}, stored.tobytes())
        except Exception as error:  # noqa: BLE001  # whatever it is, the other side is told
            _send(out, {"error": (str(error) or type(error).__name__).split("\n")[-1][:200]}, b"")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _serve(sys.stdin.buffer, sys.stdout.buffer)
