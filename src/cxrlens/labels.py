"""The four classes, their order, and the spellings that public sets use for them."""

from __future__ import annotations

import re
import unicodedata

NORMAL = "Normal"
COVID19 = "COVID-19"
PNEUMONIA = "Pneumonia"
TUBERCULOSIS = "Tuberculosis"

CLASSES: tuple[str, ...] = (NORMAL, COVID19, PNEUMONIA, TUBERCULOSIS)
"""Class order everywhere: columns of probabilities, rows of confusion matrices, outputs of a network."""


def class_index(label: str) -> int:
    """Position of ``label`` in :data:`CLASSES`; ``ValueError`` where it is not one of them."""
    return CLASSES.index(label)


def parse_label(text: str) -> str | None:
    """The class that a folder name or a table cell means, or None where it means none of them for certain.

    Whole words count, never parts: ``abnormal`` is not Normal. Negated and doubtful names (``non-covid``,
    ``COVID negative``, ``suspected TB``) mean no class. In a hierarchy (``Pneumonia/Viral/COVID-19``) and among several
    labels (``Infiltration|Pneumonia``) COVID-19 is the more specific pneumonia; other combinations are ambiguous.
    """
    found = [_affirmed(part) for part in re.split(r"[|;,+]", text)]
    classes = {name for part in found for name in part}
    if len(found) == 1 and classes == {PNEUMONIA, TUBERCULOSIS} and "/" in text:
        return TUBERCULOSIS  # Pneumonia/Bacterial/Tuberculosis: one path, not two labels
    if classes == {PNEUMONIA, COVID19}:
        return COVID19
    return classes.pop() if len(classes) == 1 else None


def mentions_class(text: str) -> bool:
    """Whether any class is named at all, be it negated or beside others."""
    return any(kind is not None for kind, _ in _mentions(_words(text)))


def is_bare_class_name(text: str) -> bool:
    """Whether the name says a class and nothing else (``TB Chest X-rays``, not ``covid-chestxray-dataset``)."""
    words = _words(text)
    spoken = [word for kind, word in _mentions(words) if kind is None]
    return parse_label(text) is not None and all(word in _FILLER or word.isdigit() for word in spoken)


def only_qualifies(text: str) -> bool:
    """Whether the name adds nothing but a kind (``Viral``, ``bacterial cases``) or a number to the class above it."""
    return all(word in _FILLER or word.isdigit() for word in _words(text))


_NAMES: dict[tuple[str, ...], str] = {
    ("normal",): NORMAL,
    ("normals",): NORMAL,
    ("health",): NORMAL,
    ("healthy",): NORMAL,
    ("no", "finding"): NORMAL,
    ("no", "findings"): NORMAL,
    ("nofinding",): NORMAL,
    ("no", "significant", "findings"): NORMAL,
    ("no", "abnormality"): NORMAL,
    ("no", "abnormalities"): NORMAL,
    ("covid",): COVID19,
    ("covid", "19"): COVID19,
    ("covid", "2019"): COVID19,
    ("coronavirus",): COVID19,
    ("corona",): COVID19,
    ("ncov",): COVID19,
    ("sars", "cov", "2"): COVID19,
    ("pneumonia",): PNEUMONIA,
    ("pneumonias",): PNEUMONIA,
    ("neumonia",): PNEUMONIA,
    ("tuberculosis",): TUBERCULOSIS,
    ("tb",): TUBERCULOSIS,
    ("ptb",): TUBERCULOSIS,
    ("tbc",): TUBERCULOSIS,
}
"""Names as runs of words, lower case. The longest run that fits wins."""

_MISSPELT = {"pneumonia": PNEUMONIA, "tuberculosis": TUBERCULOSIS, "coronavirus": COVID19}
"""Long enough that one slip of the pen (``turberculosis``, ``pnuemonia``) makes no other word."""

_NOT_MISSPELT = frozenset({"pneumonic"})
_NEGATES_NEXT = frozenset({"non", "anti", "un"})
_NEGATES_REST = frozenset({"no", "not", "without", "never", "neither", "nor", "excluding", "except"})
_NEGATES_BEFORE = frozenset({"negative", "neg", "free", "absent", "ruled"})
_DOUBTFUL = frozenset(
    {
        "suspected",
        "suspect",
        "suspicious",
        "possible",
        "possibly",
        "probable",
        "probably",
        "uncertain",
        "unclear",
        "unknown",
    }
    | {"questionable", "unconfirmed", "todo", "vs", "versus", "or"}
)
_FILLER = frozenset(
    {
        "viral",
        "virus",
        "bacterial",
        "bacteria",
        "fungal",
        "lung",
        "lungs",
        "pulmonary",
        "active",
        "positive",
        "case",
        "cases",
    }
    | {
        "chest",
        "cxr",
        "xray",
        "xrays",
        "x",
        "ray",
        "rays",
        "radiograph",
        "radiographs",
        "image",
        "images",
        "patient",
        "patients",
    }
)


def _affirmed(text: str) -> set[str]:
    """Classes that one label affirms; empty where it doubts."""
    words = _words(text)
    if "?" in text or _DOUBTFUL.intersection(words):
        return set()
    mentions = _mentions(words)
    affirmed: list[str] = []
    negate_next = negate_rest = False
    for position, (kind, word) in enumerate(mentions):
        if kind is not None:
            if not (negate_next or negate_rest):
                affirmed.append(kind)
            negate_next = False
        elif word in _NEGATES_NEXT:
            negate_next = True
        elif word in _NEGATES_REST:
            negate_rest = True
        elif word in _NEGATES_BEFORE:
            if mentions[position + 1 : position + 2] == [(None, "for")]:
                negate_rest = True
            else:
                affirmed.clear()
    return set(affirmed)


def _mentions(words: list[str]) -> list[tuple[str | None, str]]:
    """Words in order; a run that names a class is one entry with that class, any other word has None."""
    result: list[tuple[str | None, str]] = []
    position = 0
    while position < len(words):
        for length in (3, 2, 1):
            run = tuple(words[position : position + length])
            if len(run) == length and run in _NAMES:
                result.append((_NAMES[run], " ".join(run)))
                position += length
                break
        else:
            word = words[position]
            result.append((_misspelt(word), word))
            position += 1
    return result


def _words(text: str) -> list[str]:
    """Lower-case runs of letters and runs of digits; ``ViralPneumonia`` and ``COVID19`` are two words each."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[A-Z]{2})", " ", plain)  # but CoV is one word
    return re.findall(r"[^\W\d_]+|\d+", parted.casefold())


def _misspelt(word: str) -> str | None:
    if len(word) < 7 or word in _NOT_MISSPELT:
        return None
    return next((kind for right, kind in _MISSPELT.items() if _one_slip(word, right)), None)


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter inserted, left out, changed or swapped with its neighbour makes ``a`` of ``b`` (or none)."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    rest_a, rest_b = a[start:], b[start:]
    if len(a) == len(b):
        return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:])
    return rest_a[1:] == rest_b or rest_a == rest_b[1:]
