"""Class names: the spellings of public sets, and the words that must not be taken for them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrlens.labels import CLASSES, class_index, is_bare_class_name, mentions_class, only_qualifies, parse_label

SPELLINGS = {
    "Normal": [
        "NORMAL",
        "Normal",
        "normal",
        "Normal Chest X-rays",
        "No Finding",
        "No_findings",
        "health",
        "Healthy",
        "NoFinding",
    ],
    "COVID-19": [
        *("COVID19", "COVID", "Covid", "Covid-19", "covid-19", "COVID-19", "covid_19", "COVID-19 cases", "SARS-CoV-2"),
        *("Pneumonia/Viral/COVID-19", "COVID-19 Pneumonia", "COVID-19|Pneumonia", "Coronavirus", "covid+"),
    ],
    "Pneumonia": [
        *(
            "PNEUMONIA",
            "Viral Pneumonia",
            "Bacterial Pneumonia",
            "ViralPneumonia",
            "Pneumonia-Bacterial",
            "pneumonia_virus",
        ),
        *(
            "Pneumonia/Viral/SARS",
            "Pneumonia/Bacterial/Streptococcus",
            "Infiltration|Pneumonia",
            "Pnuemonia",
            "Pnemonia",
        ),
        *("Effusion|Pneumonia|Mass", "Non-COVID Pneumonia", "neumonía"),
    ],
    "Tuberculosis": [
        *(
            "TURBERCULOSIS",
            "TB Chest X-rays",
            "TB",
            "tb",
            "Tuberculosis",
            "Tuberclosis",
            "ActiveTuberculosis",
            "lung_tb",
        ),
        *("Pneumonia/Bacterial/Tuberculosis", "Pulmonary Tuberculosis"),
    ],
}
NO_CLASS = [
    *(
        "",
        " ",
        "Lung_Opacity",
        "Effusion",
        "Infiltration|Mass",
        "sick",
        "abnormal",
        "ABNORMAL",
        "subnormal",
        "paranormal",
    ),
    *("non-covid", "Non COVID", "noncovid19x", "no TB", "not normal", "without pneumonia", "COVID negative", "TB-neg"),
    *(
        "negative for COVID-19",
        "No Lung Opacity / Not Normal",
        "covid_vs_normal",
        "suspected TB",
        "pneumonia?",
        "possible covid",
    ),
    *(
        "pneumonitis",
        "pneumonic",
        "tuberculin",
        "covidien",
        "TBX",
        "cardiomegaly",
        "unhealthy",
        "images",
        "train",
        "12",
    ),
    *("Normal|Pneumonia", "COVID-19|Tuberculosis", "Tuberculosis|Pneumonia", "Pneumothorax", "Pneumoperitoneum"),
]


@pytest.mark.parametrize(("text", "label"), [(t, label) for label, texts in SPELLINGS.items() for t in texts])
def test_spelling_of_a_public_set_means_its_class(text: str, label: str) -> None:
    assert parse_label(text) == label
    assert mentions_class(text)


@pytest.mark.parametrize("text", NO_CLASS)
def test_word_that_means_no_class_is_not_taken_for_one(text: str) -> None:
    assert parse_label(text) is None


@given(
    st.sampled_from([(t, label) for label, texts in SPELLINGS.items() for t in texts if t.isascii()]),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", " ", "  ", "1_", "0-"]),
)
def test_case_and_numbering_do_not_matter(pair: tuple[str, str], case: object, prefix: str) -> None:
    text, label = pair
    if any(a.islower() and b.isupper() for a, b in pairwise(text)):
        return  # the capital parts the words
    assert parse_label(prefix + case(text)) == label  # type: ignore[operator]


@given(
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6), st.sampled_from(["normal", "covid", "tb"])
)
def test_class_name_inside_a_longer_word_is_no_class(letters: str, name: str) -> None:
    """``non`` and ``no`` written onto the word are words of their own to people; either way it must not affirm."""
    assert parse_label(letters + name) is None or letters + name in {"normals", "ptb"}


@given(st.text(max_size=60))
def test_any_text_gives_a_class_or_none(text: str) -> None:
    assert parse_label(text) in (*CLASSES, None)
    if parse_label(text):
        assert mentions_class(text)


@given(st.sampled_from(["no", "not", "without", "non"]), st.sampled_from(["COVID-19", "TB", "Pneumonia", "normal"]))
def test_negation_never_affirms(word: str, name: str) -> None:
    for joint in (" ", "-", "_"):
        assert parse_label(word + joint + name) is None


def test_class_names_parse_to_themselves() -> None:
    assert [parse_label(name) for name in CLASSES] == list(CLASSES)
    assert [class_index(name) for name in CLASSES] == [0, 1, 2, 3]
    with pytest.raises(ValueError):
        class_index("Lung opacity")


def test_kind_of_a_class_is_told_from_another_finding() -> None:
    assert only_qualifies("Viral")
    assert only_qualifies("bacterial cases 2")
    assert not only_qualifies("Lung_Opacity")
    assert not only_qualifies("Viral Pneumonia")


def test_name_of_a_whole_set_is_not_a_bare_class_name() -> None:
    assert is_bare_class_name("TB Chest X-rays")
    assert is_bare_class_name("COVID19")
    assert not is_bare_class_name("covid-chestxray-dataset")
    assert not is_bare_class_name("muhammedtalo-covid")
    assert not is_bare_class_name("non-covid")
