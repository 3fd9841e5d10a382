from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.forms import LABELS, Entity, Form, Word, reading_order
from data.funsd import load_folder, read_form
from tests.data.annotations import entity, write


@pytest.fixture
def read(tmp_path: Path) -> Callable[[object], Form]:
    def read_one(form: object) -> Form:
        write(tmp_path, "one", form)
        (loaded,) = load_folder(tmp_path)
        return loaded

    return read_one


LINK = (0, 1)

PAIR_RULES = {
    "a link listed on both of its entities is one link": (
        [entity(0, "question", "Name:", LINK), entity(1, "answer", "Ann", LINK, at=(50, 0))],
        [("Name:", "Ann")],
    ),
    "a link listed on one entity only counts": (
        [entity(0, "question", "Name:"), entity(1, "answer", "Ann", LINK, at=(50, 0))],
        [("Name:", "Ann")],
    ),
    "several answers are joined in reading order, not in the order of the file": (
        [
            entity(0, "question", "To:", (0, 3), (0, 2), (0, 1)),
            entity(3, "answer", "third", at=(50, 30)),
            entity(2, "answer", "second", at=(100, 0)),
            entity(1, "answer", "first", at=(50, 3)),
        ],
        [("To:", "first second third")],
    ),
    "an answer of two questions is in both pairs": (
        [
            entity(0, "question", "Row", (0, 2), at=(0, 50)),
            entity(1, "question", "Column", (1, 2), at=(50, 0)),
            entity(2, "answer", "7", at=(50, 50)),
        ],
        [("Column", "7"), ("Row", "7")],
    ),
    "questions of the same text stay apart": (
        [
            entity(0, "question", "Date", (0, 1)),
            entity(1, "answer", "May", at=(50, 0)),
            entity(2, "question", "Date", (2, 3), at=(0, 20)),
            entity(3, "answer", "May", at=(50, 20)),
        ],
        [("Date", "May"), ("Date", "May")],
    ),
    "pairs come in reading order of their questions": (
        [
            entity(0, "question", "low", (0, 3), at=(0, 40)),
            entity(1, "question", "right", (1, 3), at=(90, 0)),
            entity(2, "question", "left", (2, 3), at=(0, 4)),
            entity(3, "answer", "x", at=(50, 80)),
        ],
        [("left", "x"), ("right", "x"), ("low", "x")],
    ),
    "space at the ends is no text": (
        [entity(0, "question", " Name ", LINK), entity(1, "answer", " Ann\n", at=(50, 0))],
        [("Name", "Ann")],
    ),
    "answers without text leave no gap": (
        [
            entity(0, "question", "To:", (0, 1), (0, 2), (0, 3)),
            entity(1, "answer", "a", at=(50, 0)),
            entity(2, "answer", " ", at=(100, 0)),
            entity(3, "answer", "b", at=(150, 0)),
        ],
        [("To:", "a b")],
    ),
    "a question without text makes no pair": (
        [entity(0, "question", " ", LINK), entity(1, "answer", "Ann")],
        [],
    ),
    "an answer without text makes no pair": (
        [entity(0, "question", "Name:", LINK), entity(1, "answer", "")],
        [],
    ),
    "a link to itself or to nothing is ignored": (
        [entity(0, "question", "Name:", (0, 0), (0, 9), (9, 0))],
        [],
    ),
    "only a link from a question to an answer makes a pair": (
        [
            entity(0, "question", "q", (0, 2), (0, 3), (0, 4)),
            entity(1, "answer", "a", (1, 0)),
            entity(2, "question", "q2", at=(0, 20)),
            entity(3, "header", "h", (3, 1)),
            entity(4, "other", "o", (4, 1)),
        ],
        [],
    ),
    "a form without entities has no pairs": ([], []),
}


@pytest.mark.parametrize(("form", "pairs"), PAIR_RULES.values(), ids=PAIR_RULES)
def test_pairs(
    read: Callable[[object], Form], form: list[dict[str, Any]], pairs: list[tuple[str, str]]
) -> None:
    found = read(form)

    assert [(pair.question, pair.answer) for pair in found.pairs()] == pairs


def test_a_pair_carries_the_boxes_of_its_question_and_around_its_answers(
    read: Callable[[object], Form],
) -> None:
    form = read(
        [
            entity(0, "question", "To:", (0, 1), (0, 2), at=(5, 6)),
            entity(1, "answer", "a", at=(50, 8)),
            entity(2, "answer", "b", at=(60, 20)),
        ]
    )

    (pair,) = form.pairs()

    assert (pair.page, pair.question_box, pair.answer_box) == (1, (5, 6, 45, 16), (50, 8, 100, 30))


def test_blank_questions_have_text_and_no_linked_answer(read: Callable[[object], Form]) -> None:
    form = read(
        [
            entity(0, "question", "low", at=(0, 40)),
            entity(1, "question", "high"),
            entity(2, "question", " "),
            entity(3, "question", "signed", (3, 4)),
            entity(4, "answer", ""),
            entity(5, "other", "page 1"),
        ]
    )

    assert [question.text for question in form.blank_questions()] == ["high", "low"]


def test_a_list_of_pages_is_read_page_by_page(read: Callable[[object], Form]) -> None:
    form = read(
        [
            [entity(0, "question", "first", (0, 1), at=(0, 90)), entity(1, "answer", "a")],
            [entity(2, "question", "second", (2, 3)), entity(3, "answer", "b", at=(50, 0))],
        ]
    )

    assert [(pair.question, pair.answer, pair.page) for pair in form.pairs()] == [
        ("first", "a", 1),
        ("second", "b", 2),
    ]


def test_ids_that_begin_anew_on_each_page_stay_on_their_page(
    read: Callable[[object], Form],
) -> None:
    page = [entity(0, "question", "q", LINK), entity(1, "answer", "a")]
    other_page = [entity(0, "question", "Q", LINK), entity(1, "answer", "A")]

    form = read([page, other_page])

    assert [(pair.question, pair.answer) for pair in form.pairs()] == [("q", "a"), ("Q", "A")]


def test_an_answer_on_the_next_page_joins_the_text_but_not_the_box(
    read: Callable[[object], Form],
) -> None:
    form = read(
        [
            [entity(0, "question", "q", (0, 1), (0, 2)), entity(1, "answer", "a", at=(50, 0))],
            [entity(2, "answer", "b", at=(500, 500))],
        ]
    )

    (pair,) = form.pairs()

    assert (pair.answer, pair.answer_box) == ("a b", (50, 0, 90, 10))


def test_an_answer_wholly_on_the_next_page_has_no_box(read: Callable[[object], Form]) -> None:
    form = read([[entity(0, "question", "q", LINK)], [entity(1, "answer", "a")]])

    assert form.pairs()[0].answer_box is None


def test_a_tall_entity_does_not_swallow_the_lines_beside_it() -> None:
    words = (Word("para", (100, 0, 150, 12)), Word("graph", (100, 48, 150, 60)))
    tall = Entity(0, "answer", "paragraph", (100, 0, 150, 60), words)
    first = Entity(1, "answer", "first", (0, 2, 40, 12))
    second = Entity(2, "answer", "second", (0, 20, 40, 30))

    assert reading_order([second, tall, first]) == [first, tall, second]


def test_corners_in_any_order_make_the_same_box(read: Callable[[object], Form]) -> None:
    form = read([{**entity(0, "other", ""), "box": [9, 8, 1, 2]}])

    assert form.entities[0].box == (1, 2, 9, 8)


@st.composite
def forms(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw forms that break every rule the loader tolerates."""
    ids = draw(st.lists(st.integers(0, 20), unique=True, max_size=8))
    known_or_not = st.integers(0, 20) if not ids else st.sampled_from(ids) | st.integers(0, 20)
    return [
        entity(
            id_,
            draw(st.sampled_from(LABELS)),
            draw(st.text(alphabet="ab \n", max_size=3)),
            *draw(st.lists(st.tuples(known_or_not, known_or_not), max_size=4)),
            at=(draw(st.integers(0, 100)), draw(st.integers(0, 100))),
        )
        for id_ in ids
    ]


def read_raw(form: object) -> Form:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.json"
        path.write_text(json.dumps({"form": form}))
        return read_form(path, path)


@given(forms())
def test_every_question_linked_to_an_answer_is_in_one_pair_or_lacks_a_text(
    raw: list[dict[str, Any]],
) -> None:
    by_id = {one["id"]: one for one in raw}
    links = {tuple(link) for one in raw for link in one["linking"]}
    expected: Counter[tuple[str, frozenset[str]]] = Counter()
    for one in raw:
        targets = [by_id[b] for a, b in links if a == one["id"] and b in by_id]
        words = " ".join(t["text"] for t in targets if t["label"] == "answer").split()
        if one["label"] == "question" and one["text"].strip() and words:
            expected[one["text"].strip(), frozenset(words)] += 1

    pairs = read_raw(raw).pairs()

    assert Counter((pair.question, frozenset(pair.answer.split())) for pair in pairs) == expected
    assert all(pair.answer == pair.answer.strip() for pair in pairs)


@given(forms(), st.randoms(use_true_random=False))
def test_pairs_do_not_depend_on_the_order_of_the_file_or_on_links_listed_twice(
    raw: list[dict[str, Any]], shuffler: random.Random
) -> None:
    other = [{**one, "linking": one["linking"] * 2} for one in raw]
    shuffler.shuffle(other)

    assert read_raw(other).pairs() == read_raw(raw).pairs()


@given(forms())
def test_one_page_reads_as_a_flat_list(raw: list[dict[str, Any]]) -> None:
    assert read_raw([raw]).pairs() == read_raw(raw).pairs()
