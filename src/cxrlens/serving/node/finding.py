"""Images of a DICOMweb archive: searched by QIDO-RS, retrieved by WADO-RS (PS3.18 sections 10.6 and 10.4)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pydicom

from cxrlens.errors import OptionError
from cxrlens.serving.dicom.uids import uid_of
from cxrlens.serving.node.receiver import SOP_CLASSES
from cxrlens.serving.node.web_client import connect, errors_in_one_line

_PAGE = 100
_SEARCH_BYTES = 64 << 20
_PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")


@dataclass(frozen=True, slots=True)
class Search:
    """Which images.

    Args:
        studies: Study Instance UIDs; any where empty.
        date: of the study: ``YYYYMMDD``, or a range ``YYYYMMDD-YYYYMMDD`` of which one end may be blank.
        modalities: of the series.

    Raises:
        OptionError: a date that is none.
    """

    studies: tuple[str, ...] = ()
    date: str | None = None
    modalities: tuple[str, ...] = ("CR", "DX")

    def __post_init__(self) -> None:
        if self.date is not None and not re.fullmatch(r"\d{8}|\d{8}-(\d{8})?|-\d{8}", self.date):
            raise OptionError(f"--date {self.date}", "is no date", "write YYYYMMDD, or YYYYMMDD-YYYYMMDD")
        for study in self.studies:
            if not re.fullmatch(r"[0-9.]{1,64}", study):
                raise OptionError(f"--study {study[:70]}", "is no UID", "give a Study Instance UID")


@dataclass(frozen=True, slots=True)
class Instance:
    """One image of the archive, by its UIDs."""

    study: str
    series: str
    uid: str
    sop_class: str


class WebArchive:
    """An archive to read from.

    Args:
        url: of the DICOMweb service.
        max_bytes: of one image.

    Raises:
        OptionError: no such URL.
    """

    def __init__(self, url: str, max_bytes: int) -> None:
        self._url = url
        self._searching, self._retrieving = connect(url, _SEARCH_BYTES), connect(url, max_bytes)

    def images(self, search: Search) -> Iterator[Instance]:
        """Images that may hold a radiograph, study by study.

        Raises:
            ArchiveDownError: the archive does not answer.
        """
        for study in self._studies(search):
            for modality in search.modalities:
                for series in self._series(study, modality):
                    yield from self._of_series(study, series)

    def answers(self, study: str) -> set[str]:
        """SOP Instance UIDs of the structured reports that the study holds.

        Raises:
            ArchiveDownError: the archive does not answer.
        """
        held: set[str] = set()
        for series in self._series(study, "SR"):
            held.update(self._pages("00080018", partial(self._searching.search_for_instances, study, series), {}))
        return held

    def retrieve(self, image: Instance) -> bytes:
        """The file.

        Raises:
            ArchiveDownError: the archive does not give it.
        """
        with errors_in_one_line(self._url):
            dataset = self._retrieving.retrieve_instance(image.study, image.series, image.uid)
            buffer = io.BytesIO()
            with pydicom.config.disable_value_validation():
                pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
        return buffer.getvalue()

    def _studies(self, search: Search) -> Iterator[str]:
        for study in search.studies or ("",):
            filters = {"StudyInstanceUID": study} if study else {}
            if search.date is not None:
                filters["StudyDate"] = search.date
            yield from self._pages("0020000D", self._searching.search_for_studies, filters)

    def _series(self, study: str, modality: str) -> Iterator[str]:
        return self._pages("0020000E", partial(self._searching.search_for_series, study), {"Modality": modality})

    def _of_series(self, study: str, series: str) -> Iterator[Instance]:
        classes: dict[str, str] = {}
        for uid in self._pages("00080018", partial(self._searching.search_for_instances, study, series), {}, classes):
            if classes.get(uid, SOP_CLASSES[0]) in SOP_CLASSES:
                yield Instance(study, series, uid, classes.get(uid, ""))

    def _pages(
        self, tag: str, ask: Callable[..., Any], filters: dict[str, str], classes: dict[str, str] | None = None
    ) -> Iterator[str]:
        """Values of one UID, page by page; an archive that knows no pages gives the first one again, which ends it."""
        seen: set[str] = set()
        while True:
            with errors_in_one_line(self._url):
                rows = ask(limit=_PAGE, offset=len(seen), search_filters=filters) or []
                new = {value: row for row in rows if (value := _value(row, tag)) and value not in seen}
            if classes is not None:
                classes.update(
                    {value: _value(row, "00080016") for value, row in new.items() if _value(row, "00080016")}
                )
            yield from new
            seen.update(new)
            if not new:
                return


def _value(row: Any, tag: str) -> str:
    values = row.get(tag, {}).get("Value") or [""]
    return str(values[0])


def report_uids(image_uid: str, model: str, calibrated: bool) -> set[str]:
    """UIDs that a report on an image may have, without having judged it: the polarity is known only from its header."""
    words = "calibrated" if calibrated else "not calibrated"
    return {uid_of("object", image_uid, photometric, model, words, "report") for photometric in _PHOTOMETRIC}
