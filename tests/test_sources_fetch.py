"""Downloads from a server on loopback: whole, cut off, changed, refused; and archives that deserve no trust."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from cxrlens.errors import CollectionError, OptionError
from cxrlens.labels import CLASSES
from cxrlens.sources import scan
from cxrlens.sources.catalogue import CATALOGUE, find, home
from cxrlens.sources.download import FetchError, download
from cxrlens.sources.fetch import fetch
from cxrlens.sources.public_set import RemoteFile
from cxrlens.sources.unpack import unpack_zip


@dataclass
class Site:
    """What the server has and how it behaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etag: str = '"1"'
    cut_after: list[int] = field(
        default_factory=list
    )  # bytes to send before the connection breaks, one entry a request
    status: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Range
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.asked.append((self.path, asked))
            if state.status or self.path not in state.files:
                self.send_error(state.status or 404)
                return
            body, start = state.files[self.path], 0
            match = re.fullmatch(r"bytes=(\d+)-", asked)
            same = self.headers.get("If-Range", state.etag) == state.etag
            if match and state.ranges and same:
                start = int(match[1])
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("ETag", state.etag)
            self.end_headers()
            end = start + state.cut_after.pop(0) if state.cut_after else len(body)
            self.wfile.write(body[start:end])

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


BODY = np.random.default_rng(0).bytes(3_000_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


def one_line(caught: pytest.ExceptionInfo[Exception]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_whole_download_is_checked_and_renamed(site: Site, tmp_path: Path) -> None:
    site.files["/a/set.zip"] = BODY
    counts: list[tuple[int, int]] = []

    def progress(items: Iterator[bytes], total: int, what: str) -> Iterator[bytes]:
        got = list(items)
        counts.append((total, sum(map(len, got))))
        yield from got

    target = tmp_path / "deep/set.zip"
    assert download(RemoteFile(f"{site.url}/a/set.zip", DIGEST, len(BODY)), target, progress) == target
    assert target.read_bytes() == BODY
    assert [p.name for p in target.parent.iterdir()] == ["set.zip"]
    assert counts == [(3, len(BODY))]
    download(RemoteFile(f"{site.url}/a/set.zip", DIGEST), target)
    assert len(site.asked) == 1, "what is there is not fetched again"


def test_broken_connection_is_taken_up_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.files["/x.zip"] = BODY
    site.cut_after = [1_000_000, 500_000]
    download(RemoteFile(f"{site.url}/x.zip", DIGEST), tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == BODY
    assert [asked for _, asked in site.asked] == ["", "bytes=1000000-", "bytes=1500000-"]


def test_next_run_goes_on_from_there(site: Site, tmp_path: Path) -> None:
    site.files["/x.zip"] = BODY
    site.cut_after = [700_000]
    with pytest.raises(FetchError) as caught:
        download(RemoteFile(f"{site.url}/x.zip", DIGEST), tmp_path / "x.zip", attempts=1)
    assert "broke off after 0.7 MiB" in one_line(caught)
    assert not (tmp_path / "x.zip").exists()
    download(RemoteFile(f"{site.url}/x.zip", DIGEST), tmp_path / "x.zip", attempts=1)
    assert (tmp_path / "x.zip").read_bytes() == BODY
    assert site.asked[-1][1] == "bytes=700000-"


def test_server_without_ranges_is_read_from_the_start(site: Site, tmp_path: Path) -> None:
    site.files["/x.zip"] = BODY
    site.ranges = False
    site.cut_after = [700_000]
    download(RemoteFile(f"{site.url}/x.zip", DIGEST), tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_file_that_changed_meanwhile_is_read_from_the_start(site: Site, tmp_path: Path) -> None:
    site.files["/x.zip"] = BODY
    site.cut_after = [700_000]
    with pytest.raises(FetchError):
        download(RemoteFile(f"{site.url}/x.zip"), tmp_path / "x.zip", attempts=1)
    site.files["/x.zip"], site.etag = BODY[::-1], '"2"'
    download(RemoteFile(f"{site.url}/x.zip"), tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == BODY[::-1]


def test_complete_part_needs_no_more_bytes(site: Site, tmp_path: Path) -> None:
    site.files["/x.zip"] = BODY
    (tmp_path / "x.zip.part").write_bytes(BODY)
    download(RemoteFile(f"{site.url}/x.zip", DIGEST), tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_part_longer_than_the_file_is_dropped(site: Site, tmp_path: Path) -> None:
    site.files["/x.zip"] = BODY
    (tmp_path / "x.zip.part").write_bytes(BODY + b"more")
    download(RemoteFile(f"{site.url}/x.zip", DIGEST), tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == BODY


@pytest.mark.parametrize(("sha256", "size"), [("0" * 64, 0), ("", 17)])
def test_wrong_checksum_or_size_leaves_nothing(site: Site, tmp_path: Path, sha256: str, size: int) -> None:
    site.files["/x.zip"] = BODY
    with pytest.raises(FetchError) as caught:
        download(RemoteFile(f"{site.url}/x.zip", sha256, size), tmp_path / "x.zip")
    assert "run the command again" in one_line(caught)
    assert not (tmp_path / "x.zip").exists()
    assert not (tmp_path / "x.zip.part").exists()


@pytest.mark.parametrize(
    ("status", "words"), [(0, "not there any more"), (403, "refuses access"), (503, "try again later")]
)
def test_refusals_are_told_apart(site: Site, tmp_path: Path, status: int, words: str) -> None:
    site.status = status
    with pytest.raises(FetchError) as caught:
        download(RemoteFile(f"{site.url}/none.zip"), tmp_path / "x.zip")
    assert words in one_line(caught)
    assert len(site.asked) == 1, "a refusal is not asked again"


def test_no_network_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        download(RemoteFile("http://127.0.0.1:9/x.zip"), tmp_path / "x.zip")
    assert "cannot be reached" in one_line(caught)
    with pytest.raises(FetchError, match="no web address"):
        download(RemoteFile("file:///etc/passwd"), tmp_path / "x.zip")


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


LAYOUTS = {
    "kermany": {
        "chest_xray/train/NORMAL/IM-0001-0001.jpeg": png(),
        "chest_xray/test/PNEUMONIA/person1_virus_6.jpeg": png(),
    },
    "montgomery": {
        "MontgomerySet/CXR_png/MCUCXR_0001_0.png": png(),
        "MontgomerySet/CXR_png/MCUCXR_0104_1.png": png(),
        "MontgomerySet/ManualMask/leftMask/MCUCXR_0001_0.png": png(),
        "MontgomerySet/ClinicalReadings/MCUCXR_0001_0.txt": b"normal",
    },
    "shenzhen": {
        "ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png": png(),
        "ChinaSet_AllFiles/CXR_png/CHNCXR_0327_1.png": png(),
    },
    "cohen": {
        "covid-chestxray-dataset-master/images/a.jpg": png(),
        "covid-chestxray-dataset-master/images/b.jpg": png(),
        "covid-chestxray-dataset-master/annotations/lungVAE-masks/a_mask.png": png(),
        "covid-chestxray-dataset-master/metadata.csv": b"patientid,sex,age,finding,view,modality,folder,filename\n"
        b"2,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.jpg\n4,F,,No Finding,L,X-ray,images,b.jpg\n",
    },
}


@pytest.mark.parametrize("name", [entry.name for entry in CATALOGUE if entry.files])
def test_set_is_fetched_and_scanned_in_its_publishers_layout(site: Site, tmp_path: Path, name: str) -> None:
    for file in find(name).files:
        site.files[urlsplit(file.url).path] = zipped(LAYOUTS[name])
    folder = fetch(name, tmp_path / "sets", base_url=site.url)
    assert folder == tmp_path / "sets" / name
    assert [p.name for p in (tmp_path / "sets").iterdir()] == [name], "archives are gone when they are unpacked"
    result = scan([folder])
    assert len(result.manifest) == 2
    assert (result.manifest["label"] != "").all(), result.problems
    assert result.manifest["label"].nunique() == 2
    assert (result.manifest["patient_id"] != "").all() == (name in ("kermany", "cohen")), "no patient is invented"
    fetch(name, tmp_path / "sets", base_url=site.url)
    assert len(site.asked) == 1


def test_set_that_is_got_by_hand_says_where_and_into_which_folder(tmp_path: Path) -> None:
    for entry in CATALOGUE:
        if not entry.files:
            with pytest.raises(FetchError) as caught:
                fetch(entry.name, tmp_path)
            line = one_line(caught)
            assert entry.url in line
            assert str(tmp_path / entry.name) in line
    with pytest.raises(OptionError, match="did you mean kermany"):
        fetch("kermani", tmp_path)


def test_catalogue_is_complete_and_in_order() -> None:
    names = [entry.name for entry in CATALOGUE]
    assert names == sorted(set(names))
    assert len(names) >= 14
    for entry in CATALOGUE:
        for text in (entry.title, entry.holds, entry.images, entry.patients, entry.licence, entry.citation):
            assert text.strip()
        assert entry.url.startswith("https://")
        assert entry.caveats
        assert not (entry.account and entry.files), "an entry is fetched or got by hand"


@pytest.mark.parametrize("name", ["../evil.png", "/abs/evil.png", "a/../../evil.png", "a\\..\\evil.png", "C:/evil.png"])
def test_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"good.png": png(), name: b"x"}))
    (tmp_path / "in").mkdir()
    with pytest.raises(CollectionError, match="leads outside"):
        unpack_zip(archive, tmp_path / "in/out")
    assert not list(tmp_path.rglob("*.png"))


def test_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.png")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(CollectionError, match="holds the link"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")


def test_bomb_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.png", bytes(100 << 20))
    with pytest.raises(CollectionError, match="bomb"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_torn_or_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    whole = zipped({"a/1.png": BODY[:50_000], "a/2.png": BODY[50_000:90_000]})
    damaged = bytearray(whole)
    damaged[30_000] ^= 0xFF
    for data in (whole[:-40], bytes(damaged), b"<html>not found</html>"):
        (tmp_path / "a.zip").write_bytes(data)
        with pytest.raises(CollectionError) as caught:
            unpack_zip(tmp_path / "a.zip", tmp_path / "out")
        assert "torn or foreign" in one_line(caught)
        assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_catalogue_says_where_films_were_first_collected() -> None:
    names = {entry.name for entry in CATALOGUE}
    for entry in CATALOGUE:
        for taken in entry.taken:
            assert taken.source in names - {entry.name}
            assert taken.label in ("", *CLASSES)
        for label in ("", *CLASSES):
            assert home(entry.name, label) in names, "it ends, at an entry"
    assert home("rsna", "Normal") == home("radiography", "Normal") == home("nih-sample", "") == "nih"
    assert home("radiography", "COVID-19") == "radiography"
    assert home("somewhere", "Normal") == ""
