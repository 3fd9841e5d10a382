from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from data.drawing import COLOURS, LEGEND_HEIGHT, MARGIN, WIDTH, draw_form
from data.errors import DatasetError
from data.forms import LABELS, Box, Entity, Form, Label, Link

PAGE = (400, 300)
SCALE = (WIDTH - 2 * MARGIN) / PAGE[0]
QUESTION = Entity(0, "question", "Name", (100, 50, 180, 80))
ANSWER = Entity(1, "answer", "Ann", (250, 50, 350, 80))
CLOSE = 5  # px of the drawing


def form_of(*entities: Entity, links: tuple[Link, ...] = ()) -> Form:
    return Form("one", Path("one.png"), Path("one.json"), entities, links)


def white(count: int = 1) -> list[Image.Image]:
    return [Image.new("L", PAGE, "white") for _ in range(count)]


def changed(with_it: Form, without_it: Form, pages: int = 1) -> tuple[Box | None, Image.Image]:
    """Return where, below the legend, two drawings differ, and what the first shows there."""
    below = (0, LEGEND_HEIGHT, WIDTH, draw_form(with_it, white(pages)).height)
    first, second = (draw_form(form, white(pages)).crop(below) for form in (with_it, without_it))
    box = ImageChops.difference(first, second).getbbox()
    return box, first.crop(box)


def on_drawing(box: Box, page: int = 1) -> list[float]:
    top = (page - 1) * (round(PAGE[1] * SCALE) + MARGIN)
    x0, y0, x1, y1 = box
    return [MARGIN + x0 * SCALE, top + y0 * SCALE, MARGIN + x1 * SCALE, top + y1 * SCALE]


@pytest.mark.parametrize("label", LABELS)
def test_an_entity_is_outlined_in_its_labels_colour(label: Label) -> None:
    entity = Entity(0, label, "x", QUESTION.box)

    place, cut = changed(form_of(entity), form_of())

    assert place == pytest.approx(on_drawing(entity.box), abs=CLOSE)
    edge = cut.getpixel((cut.width // 2, 1))
    assert edge == pytest.approx(COLOURS[label], abs=40)


def test_a_link_goes_from_the_question_to_its_answer() -> None:
    linked = form_of(QUESTION, ANSWER, links=((QUESTION, ANSWER),))

    place, _ = changed(linked, form_of(QUESTION, ANSWER))

    assert place is not None
    left, top, right, bottom = place
    assert left == pytest.approx(on_drawing(QUESTION.box)[2], abs=10)
    assert right == pytest.approx(on_drawing(ANSWER.box)[0], abs=10)
    assert on_drawing(QUESTION.box)[1] < top < bottom < on_drawing(QUESTION.box)[3]


def test_an_answer_is_linked_more_strongly_than_a_header() -> None:
    header = Entity(0, "header", "Name", QUESTION.box)
    to_answer, _ = changed(
        form_of(QUESTION, ANSWER, links=((QUESTION, ANSWER),)), form_of(QUESTION, ANSWER)
    )
    from_header, _ = changed(
        form_of(header, ANSWER, links=((header, ANSWER),)), form_of(header, ANSWER)
    )

    assert to_answer is not None
    assert from_header is not None
    assert to_answer[3] - to_answer[1] > from_header[3] - from_header[1]


def test_boxes_in_the_same_place_can_be_linked() -> None:
    same = Entity(1, "answer", "Ann", QUESTION.box)

    drawing = draw_form(form_of(QUESTION, same, links=((QUESTION, same),)), white())

    assert drawing.width == WIDTH


def test_pages_stand_one_below_another_with_their_own_entities() -> None:
    second = Entity(0, "question", "Name", QUESTION.box, page=2)

    place, _ = changed(form_of(second), form_of(), pages=2)

    assert place == pytest.approx(on_drawing(second.box, page=2), abs=CLOSE)


def test_a_link_between_pages_is_not_drawn() -> None:
    second = Entity(1, "answer", "Ann", ANSWER.box, page=2)
    linked = form_of(QUESTION, second, links=((QUESTION, second),))

    assert changed(linked, form_of(QUESTION, second), pages=2)[0] is None


def test_pages_of_any_size_come_out_equally_wide() -> None:
    pages = [Image.new("RGB", (2000, 1000)), Image.new("L", (100, 200))]

    drawing = draw_form(form_of(), pages)

    inner = WIDTH - 2 * MARGIN
    assert drawing.size == (WIDTH, LEGEND_HEIGHT + inner // 2 + inner * 2 + 2 * MARGIN)


def test_an_entity_beyond_the_last_page_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"one\.json names page 2 but one\.png has 1"):
        draw_form(form_of(Entity(0, "other", "x", QUESTION.box, page=2)), white())
