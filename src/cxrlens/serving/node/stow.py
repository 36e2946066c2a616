"""Results to a DICOMweb archive by STOW-RS (PS3.18 section 10.5)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from cxrlens.serving.node.outbox import Delivery
from cxrlens.serving.node.states import Outcome, Parcel
from cxrlens.serving.node.storing import outcome_of, said
from cxrlens.serving.node.web_client import connect, errors_in_one_line

_ANSWER_BYTES = 16 << 20
_NEVER = (400, 413, 415)
"""HTTP statuses that say that these bytes will not be taken, now or later."""


class StowArchive:
    """Stores the results of one image a request.

    Args:
        url: of the DICOMweb service.

    Raises:
        OptionError: no such URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        connect(url, _ANSWER_BYTES)

    def deliver(self, parcels: Sequence[Parcel]) -> Generator[Delivery, None, None]:
        """See :class:`cxrlens.serving.node.outbox.Archive`."""
        client = connect(self._url, _ANSWER_BYTES)  # its connection is one thread's
        for parcel in parcels:
            objects = {part: pydicom.dcmread(path) for part, path in parcel.parts.items()}
            try:
                with errors_in_one_line(self._url):
                    answer = _store(client, list(objects.values()))
            except Exception:
                yield Delivery(parcel, {})  # whether this one brought it down is not known: the others go first
                raise
            if isinstance(answer, int):
                yield Delivery(parcel, dict.fromkeys(objects, Outcome.REFUSED), f"refused with HTTP status {answer}")
            else:
                yield _told(parcel, objects, answer)


def _store(client: DICOMwebClient, objects: list[Dataset]) -> Dataset | int:
    try:
        answer: Dataset = client.store_instances(objects)
    except requests.HTTPError as error:
        if error.response is None:
            raise
        if error.response.status_code == 409:  # none was stored; the body says why of each
            return Dataset.from_json(error.response.json())
        if error.response.status_code in _NEVER:
            return int(error.response.status_code)
        raise
    return answer


def _told(parcel: Parcel, objects: dict[int, Dataset], answer: Any) -> Delivery:
    """What the Store Instances Response says of each part (PS3.18 section I.2)."""
    stored = {str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or ()}
    failed = {
        str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason") or 0x0110)
        for item in answer.get("FailedSOPSequence") or ()
    }
    outcomes, notes = {}, []
    for part, dataset in objects.items():
        uid = str(dataset.SOPInstanceUID)
        if uid in failed:
            outcomes[part] = outcome_of(failed[uid])
            if outcomes[part] is not Outcome.TAKEN:
                notes.append(f"part {part} {said(failed[uid], outcomes[part])}")
        else:  # a response without a list of what was stored is a status of success alone
            outcomes[part] = Outcome.TAKEN if uid in stored or not stored else Outcome.LATER
    return Delivery(parcel, outcomes, ", ".join(notes))
