"""Why images were set aside, in groups a reader can take in: the manifest gives a reason of its own to each image."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from cxrlens.curation import FLAGS
from cxrlens.report.naming import Namer

UNREADABLE = "cannot be read"
UNREADABLE_SHOWN = 12

_GROUPS = (
    ("duplicate of ", "a copy of an image that is kept"),
    ("copies disagree on the label", "copies of one radiograph that carry different labels"),
    ("unreadable: ", UNREADABLE),
    ("label ", "label is none of the four classes"),
    ("dropped by hand", "dropped by hand"),
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file without trustworthy pixels, and what is wrong with it."""

    name: str
    fault: str


def in_words(excluded: str, namer: Namer) -> str:
    """The group of one reason; a reason of another origin as it stands, without folders and patients' ids."""
    for start, words in _GROUPS:
        if excluded.startswith(start):
            return words
    flag = FLAGS.get(excluded.partition(":")[0])
    if flag is not None:
        return f"{flag.name}: {flag.phrase}"
    return namer.redact(re.sub(r"\S*[/\\]", "", excluded))


def unreadable(manifest: pd.DataFrame, namer: Namer) -> tuple[Unreadable, ...]:
    """The first files that cannot be read, by name."""
    rows = manifest[manifest["excluded"].str.startswith("unreadable: ")]
    return tuple(
        Unreadable(namer.name(str(path), str(sha256)), namer.redact(str(reason).removeprefix("unreadable: ")))
        for path, sha256, reason in zip(rows["path"], rows["sha256"], rows["excluded"], strict=True)
    )[:UNREADABLE_SHOWN]
