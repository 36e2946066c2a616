"""Certificates for tests, made by openssl: an authority, and what it signs for this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


def authority(folder: Path, name: str = "ca") -> Pair:
    """Signed by itself."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", pair.key, "-out", pair.cert)
    return pair


def signed(by: Pair, name: str, host: str = "127.0.0.1") -> Pair:
    """For an address of this machine."""
    folder = by.cert.parent
    pair, request, names = (
        Pair(folder / f"{name}.pem", folder / f"{name}.key"),
        folder / f"{name}.csr",
        folder / "names",
    )
    names.write_text(f"subjectAltName=IP:{host}\n")
    _openssl("req", "-new", *_KEY, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
    how = ("-days", "2", "-CA", by.cert, "-CAkey", by.key, "-CAcreateserial", "-extfile", names)
    _openssl("x509", "-req", "-in", request, *how, "-out", pair.cert)
    return pair


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
