"""The learned linker: from words to pairs with the bundled weights, and its pure parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS
from ocr_extractor.engines.local.learned.candidates import PairCandidate, select
from ocr_extractor.engines.local.learned.competition import rival_columns
from ocr_extractor.engines.local.learned.geometry import measure_geometry, reading_order
from ocr_extractor.engines.local.learned.ink import find_ink
from ocr_extractor.engines.local.learned.linker import link
from ocr_extractor.engines.local.learned.page_features import PageFeatures
from ocr_extractor.engines.local.learned.segmentation import boundaries, cut_lines, find_lines
from ocr_extractor.engines.local.learned.shape import GRAMS, gram_numbers
from ocr_extractor.engines.local.learned.weights import Decision, TextTable, Weights
from ocr_extractor.errors import ConfigError
from ocr_extractor.ocr.words import Word

BLANK = Image.new("L", (800, 600), 255)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights(BUNDLED_WEIGHTS)


def line(number: int, x: int, y: int, text: str) -> list[Word]:
    """Write a text line in a face that is 10 px wide and 20 px high."""
    words = []
    for part in text.split(" "):
        if part:
            words.append(Word(part, (x, y, x + 10 * len(part), y + 20), number))
        x += 10 * (len(part) + 1)
    return words


FORM = [
    *line(0, 300, 20, "PURCHASE ORDER"),
    *line(1, 40, 100, "Name: Ada Lovelace"),
    *line(2, 40, 150, "Date:    12 May 1843"),
    *line(3, 40, 200, "Ship to:   14 Mill Lane"),
]


def test_pairs_come_in_reading_order_with_boxes_and_confidence(weights):
    pairs = link(FORM, BLANK, weights, page=4)
    assert [(pair.question, pair.answer, pair.page) for pair in pairs] == [
        ("Name:", "Ada Lovelace", 4),
        ("Date:", "12 May 1843", 4),
        ("Ship to:", "14 Mill Lane", 4),
    ]
    assert pairs[0].question_box == (40, 100, 90, 120)
    assert pairs[0].answer_box == (100, 100, 220, 120)
    assert all(pair.confidence is not None and 0.5 < pair.confidence <= 1 for pair in pairs)


def test_a_page_without_words_has_no_pairs(weights):
    assert link([], BLANK, weights, page=1) == ()


def test_a_word_alone_is_no_pair(weights):
    assert link(line(0, 40, 40, "CONFIDENTIAL"), BLANK, weights, page=1) == ()


word = st.builds(
    lambda text, x, y, width, height, number: Word(text, (x, y, x + width, y + height), number),
    st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=12),
    *(st.integers(0, 700), st.integers(0, 500), st.integers(1, 99), st.integers(1, 99)),
    st.integers(0, 9),
)


@settings(max_examples=40, deadline=None)
@given(words=st.lists(word, max_size=25))
def test_any_words_give_pairs_of_their_own_texts_each_used_once(weights, words):
    pairs = link(words, BLANK, weights, page=1)
    characters = "".join(word.text for word in words)
    used = "".join(pair.question + (pair.answer or "") for pair in pairs).replace(" ", "")
    assert all(used.count(each) <= characters.count(each) for each in set(used))
    assert all(pair.question and pair.answer for pair in pairs)


@pytest.mark.parametrize(
    ("name", "message"), [("link.onnx", "lack link.onnx"), ("text.npz", "lack text.npz")]
)
def test_missing_weights_are_named(tmp_path, name, message):
    for path in BUNDLED_WEIGHTS.glob("*.*"):
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ConfigError, match=message):
        Weights(tmp_path)


def test_decision_survives_its_file_and_scales_scores(tmp_path):
    decision = Decision(0.2, (0.2, 0.6, 1.0), (0.4, 0.5, 0.9))
    decision.save(tmp_path)
    assert Decision.load(tmp_path) == decision
    assert decision.confidence(0.4) == pytest.approx(0.45)
    assert (decision.confidence(0.1), decision.confidence(1.0)) == (0.4, 0.9)


def test_digits_are_alike_and_rows_are_filled_up():
    first, second, longer = gram_numbers(["12 May", "97 May", "12 May 1843 and on"])
    assert first.tolist() == second.tolist()
    assert first[-1] == -1 < longer[-1] < GRAMS


def test_text_table_adds_up_the_n_grams_of_a_text(tmp_path):
    grams = np.zeros((GRAMS, 4), np.float32)
    known, unknown = gram_numbers(["Name:", "12"])
    grams[known[known >= 0], 0] = 2.0
    table = TextTable(grams, np.zeros(4, np.float32))
    table.save(tmp_path)
    found = TextTable.load(tmp_path).predict(np.stack([known, unknown]))
    assert found.sum(axis=1) == pytest.approx([1, 1])
    assert found[0, 0] > 0.9
    assert found[0, 0] > found[1, 0]


def test_lines_are_cut_where_that_is_likely_and_lose_their_fill_lines():
    words = line(0, 0, 0, "Name ____ Ada Lovelace")
    lines = find_lines(words, find_ink(words, BLANK))
    segments = cut_lines(lines, np.array([0.8, 0.05], np.float32))
    assert [
        (segment.text, segment.cut_before, round(segment.cut_after, 2)) for segment in segments
    ] == [
        ("Name", 1.0, 0.8),
        ("Ada Lovelace", pytest.approx(0.8), 1.0),
    ]


def candidate(question: set[int], answer: set[int]) -> PairCandidate:
    box = (0, 0, 1, 1)
    return PairCandidate(
        frozenset(question), frozenset(answer), ("q", "a"), (box, box), frozenset()
    )


def test_rivals_are_told_by_what_they_share_and_friends_by_where_they_stand():
    ink = find_ink(FORM, BLANK)
    lines = find_lines(FORM, ink)
    segments = cut_lines(lines, np.ones(len(boundaries(lines)), np.float32))
    features = PageFeatures(segments, measure_geometry(segments), ink, np.zeros((0, 0), np.intp))

    def at(question: set[int], answer: set[int], y: int) -> PairCandidate:
        boxes = (40, y, 90, y + 20), (120, y, 220, y + 20)
        return PairCandidate(frozenset(question), frozenset(answer), ("q", "a"), boxes, frozenset())

    candidates = [at({2}, {3}, 100), at({2}, {3, 4}, 100), at({5}, {6}, 150), at({4}, {7}, 400)]
    columns = rival_columns(features, candidates, np.array([0.6, 0.3, 0.8, 0.1], np.float32))
    assert columns["best rival"] == pytest.approx([0.3, 0.6, 0, 0.3])
    assert columns["best with a longer answer"] == pytest.approx([0.3, 0, 0, 0])
    assert columns["best with a shorter answer"] == pytest.approx([0, 0.6, 0, 0])
    assert columns["best with swapped parts"] == pytest.approx([0, 0.1, 0, 0.3])
    assert columns["both aligned"] == pytest.approx([0.9, 0.8, 1.0, 1.4])
    assert columns["better rivals"].tolist() == [0, 1, 0, 1]

    crowd = [at({0}, {1}, 800)] * 300
    crowded = rival_columns(
        features, crowd + candidates, np.array([0] * 300 + [0.6, 0.3, 0.8, 0.1])
    )
    assert {name: values[300:].tolist() for name, values in crowded.items()} == {
        name: pytest.approx(values.tolist()) for name, values in columns.items()
    }


def test_the_likeliest_candidates_that_share_no_piece_are_chosen():
    candidates = [
        candidate({1}, {2}),
        candidate({1}, {2, 3}),
        candidate({4}, {3}),
        candidate({5}, {6}),
    ]
    assert select(candidates, [0.6, 0.9, 0.8, 0.1], least=0.2) == [1]
    assert select(candidates, [0.9, 0.6, 0.8, 0.1], least=0.1) == [0, 2, 3]


def test_pieces_are_read_row_by_row():
    boxes = np.array([[200, 12, 300, 30], [0, 50, 90, 70], [0, 10, 90, 30]], np.float64)
    assert reading_order([0, 1, 2], boxes) == [2, 0, 1]


def test_ruled_lines_and_the_darkness_of_texts_are_measured():
    image = BLANK.copy()
    canvas = ImageDraw.Draw(image)
    canvas.line((100, 125, 300, 125), fill=0, width=2)
    canvas.line((350, 80, 350, 160), fill=0, width=2)
    canvas.rectangle((40, 100, 49, 119), fill=0)
    ink = find_ink(FORM, image)
    one = np.array([1.0])
    assert ink.level_between(100 * one, 140 * one, 200 * one, 20).tolist() == [1]
    assert ink.level_between(100 * one, 140 * one, 320 * one, 20).tolist() == [0]
    assert ink.upright_between(300 * one, 400 * one, 110 * one, 20).tolist() == [1]
    assert ink.of((40, 100, 60, 120))[0] == pytest.approx(0.5)
    assert ink.of((500, 300, 520, 320)) == (0, 0, 0)


def test_weights_are_small_and_need_no_pickle():
    files = [path for path in BUNDLED_WEIGHTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15_000_000
    assert {path.suffix for path in files} == {".onnx", ".npz", ".json", ".md", ".txt"}
