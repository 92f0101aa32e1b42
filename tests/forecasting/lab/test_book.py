"""The children's book, its mistakes, and the lecture's own network, which is a two-word chain."""

import math

import numpy as np
import pytest

from forecasting.lab.book import KINDS, STOP, WORDS, book, kind_of, mistakes, text_of, words_of
from forecasting.lab.lecture_network import LectureNetwork, train_lecture_network
from forecasting.lab.two_word_chain import expected_mistakes, plain_chain


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Jane saw Spot.", "right"),
        ("Doug saw Doug.", "same name"),
        ("Jane saw Spot saw Doug.", "runs on"),
        ("Jane saw Jane saw Jane.", "runs on"),
        ("Spot.", "no verb"),
        (".", "other"),
        ("saw Jane.", "other"),
        ("Jane saw.", "other"),
        ("Jane Spot.", "other"),
        ("Jane saw Spot saw.", "other"),
    ],
)
def test_a_sentence_has_one_kind(text: str, kind: str) -> None:
    assert kind_of(words_of(text)) == kind


def test_the_book_has_right_sentences_alone_each_of_the_six_as_often() -> None:
    words = book(6_000, 0)
    assert mistakes(words) == {"right": 6_000, "same name": 0, "runs on": 0, "no verb": 0, "other": 0}
    sentences, counts = np.unique(words.reshape(-1, 4), axis=0, return_counts=True)
    assert len(sentences) == 6
    assert counts.min() > 900 and counts.max() < 1_100


def test_words_and_text_are_the_same_story() -> None:
    assert text_of(words_of("Jane saw Spot. Doug saw")) == "Jane saw Spot. Doug saw"
    with pytest.raises(ValueError, match="'Rex' is not in the book"):
        words_of("Rex saw Spot.")


def test_a_chain_that_knows_one_word_errs_in_five_of_six_sentences() -> None:
    """After a name a full stop or "saw" come with a half each, after "saw" one of three names: so no verb 1/2, exactly
    one verb 1/4, and of those the same name 1/3."""
    found = expected_mistakes(plain_chain())
    assert found == pytest.approx({"right": 1 / 6, "same name": 1 / 12, "runs on": 1 / 4, "no verb": 1 / 2, "other": 0})


def test_the_state_of_the_lectures_network_is_two_words_and_no_hidden_array() -> None:
    network = train_lecture_network(book(300, 0), 0)
    assert {name: array.shape for name, array in vars(network).items()} == {
        "new": (5, 5),
        "fed_back": (5, 5),
        "bias": (5,),
    }
    assert network.table.shape == (5, 5, 5)  # the next word, given the new word and the word fed back: nothing else
    assert network.table.sum(-1) == pytest.approx(np.ones((5, 5)))


@pytest.mark.parametrize("seed", range(5))
def test_the_mistakes_of_the_lectures_network_are_those_of_the_exact_two_word_chain(seed: int) -> None:
    network = train_lecture_network(book(1_000, seed), seed)
    counted, exact = mistakes(network.write(40_000, seed)), expected_mistakes(network.table)
    total = sum(counted.values())
    assert total > 5_000
    for kind in KINDS:
        share = exact[kind]
        assert abs(counted[kind] / total - share) <= 3 * math.sqrt(share * (1 - share) / total) + 1e-9, kind
    assert exact["same name"] > 0.05  # it cannot know who saw


def test_a_network_that_is_sure_writes_what_it_is_sure_of() -> None:
    new = np.full((5, 5), -30.0)
    for word, following in ((0, 3), (3, 1), (1, STOP), (STOP, 0)):  # Doug saw Jane.
        new[word, following] = 30
    sure = LectureNetwork(new, np.zeros((5, 5)), np.zeros(5))
    assert text_of(sure.write(8, 0)) == "Doug saw Jane. Doug saw Jane."
    assert expected_mistakes(sure.table)["right"] == pytest.approx(1)
    assert len(WORDS) == 5
