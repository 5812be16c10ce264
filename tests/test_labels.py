"""Labels are compared in one place: in one spelling, by case where that is unambiguous, or by what is similar."""

import unicodedata

import pytest

from cases import case
from sayso.config import SILENCE, UNKNOWN, check_labels
from sayso.config.labels import LIKELY, label_of, nfc, strangers
from sayso.system.suggestions import nearest

LABELS = ("left", "right", "später", "Licht", "on", "ON", UNKNOWN, SILENCE)


def test_a_word_is_the_label_that_it_equals_but_for_its_encoding_or_case() -> None:
    for word, label in (
        ("left", "left"),
        ("Left", "left"),
        ("LICHT", "Licht"),
        (unicodedata.normalize("NFD", "später"), "später"),
        (unicodedata.normalize("NFD", "SPÄTER"), "später"),
        ("on", "on"),
        ("ON", "ON"),
        ("On", UNKNOWN),
        ("lefty", UNKNOWN),
        ("", UNKNOWN),
        (SILENCE, SILENCE),
    ):
        with case(word):
            assert label_of(word, LABELS) == label


def test_joiners_inside_words_are_letters_and_elsewhere_refused() -> None:
    persian, sinhala = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0dc1\u0dca\u200d\u0dbb\u0dd3"
    for word in (persian, sinhala, "\u0915\u094d\u200d\u0937", "বাংলা", "สวัสดี", "café"):
        with case(ascii(word)):
            check_labels([word, "other"])
            assert nfc(word) == unicodedata.normalize("NFC", word)
    for word in ("\u200cleft", "left\u200d", "le\u200c\u200cft", "le \u200cft", "le\u202eft", "a\u200bb", " ", "a\nb"):
        with case(ascii(word)), pytest.raises(ValueError, match="is not a printable word"):
            check_labels([word, "other"])
    with pytest.raises(ValueError, match="different words"):
        check_labels([unicodedata.normalize(form, "été") for form in ("NFC", "NFD")])


def test_what_was_probably_meant_is_named() -> None:
    assert nearest("rihgt", LABELS, LIKELY) == "right"
    assert nearest("spaeter", LABELS, LIKELY) == "später"
    assert nearest("banana", LABELS, LIKELY) is None
    assert strangers(["left", UNKNOWN, SILENCE], LABELS) == []
    assert strangers(["Left", "lfet", "lfet", "cat"], LABELS, "labels") == [
        "the word 'Left' is taken for the label 'left', which differs in case alone",
        "3 labels of 2 words that are no labels of the model are counted as unknown speech: "
        "lfet (did you mean left?), cat",
    ]
