"""`rollcast.lab`: the experiments of `rollcast lab` as functions that return their numbers."""

from forecasting.lab.book import book, mistakes, text_of, words_of
from forecasting.lab.dinner import dinners
from forecasting.lab.equal_weights import equal_widths
from forecasting.lab.gradient_check import check_gradients, numeric
from forecasting.lab.gradient_flow import STARTS, CellStart, by_lag, clipped, flows, made
from forecasting.lab.hand_cells import backward, forward, random_weights, run, slopes_of
from forecasting.lab.lecture_network import LectureNetwork, train_lecture_network
from forecasting.lab.min_rnn import MinRnn, lessons
from forecasting.lab.predict_modes import predict_modes, sine
from forecasting.lab.two_word_chain import expected_mistakes, plain_chain
from forecasting.lab.unroll import book_network, junctions, unroll
from forecasting.lab.weight_count import Sizes, count_weights, textbook_network
from forecasting.lab.word_network import WordNetwork, train_words

__all__ = [
    "STARTS",
    "CellStart",
    "LectureNetwork",
    "MinRnn",
    "Sizes",
    "WordNetwork",
    "backward",
    "book",
    "book_network",
    "by_lag",
    "check_gradients",
    "clipped",
    "count_weights",
    "dinners",
    "equal_widths",
    "expected_mistakes",
    "flows",
    "forward",
    "junctions",
    "lessons",
    "made",
    "mistakes",
    "numeric",
    "plain_chain",
    "predict_modes",
    "random_weights",
    "run",
    "sine",
    "slopes_of",
    "text_of",
    "textbook_network",
    "train_lecture_network",
    "train_words",
    "unroll",
    "words_of",
]
