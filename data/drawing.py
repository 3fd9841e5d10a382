"""Draws annotations onto pages: entities in the colour of their label, links as arrows.

Everything is drawn at twice its size and reduced, because Pillow's lines have jagged edges.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from data.errors import DatasetError
from data.forms import LABELS, Box, Form, Label

WIDTH = 1400  # px of the result; FUNSD's scans of 1000 px are enlarged to be readable under boxes
_OVERSAMPLING = 2
MARGIN = 24  # px
LEGEND_HEIGHT = 104  # px
_FADING = 0.15  # share of white mixed into the page, so that the colours stand out

_Colour = tuple[int, int, int]
_Box = tuple[float, float, float, float]
_Point = tuple[float, float]

# Okabe and Ito's palette, told apart with any colour vision (https://jfly.uni-koeln.de/color/).
COLOURS: dict[Label, _Colour] = {
    "question": (0, 114, 178),
    "answer": (213, 94, 0),
    "header": (0, 158, 115),
    "other": (110, 110, 110),
}
_INK = (40, 40, 40)
_LINK = (136, 34, 85)  # differs from the labels' colours and from the black of lines and text


def draw_form(form: Form, pages: Sequence[Image.Image]) -> Image.Image:
    """Draw the pages one below another under a legend, with entities and links on them.

    Args:
        form: Its boxes are px of `pages`.
        pages: The upright pages in order, any size.

    Returns:
        An "RGB" image, 1400 px wide.

    Raises:
        DatasetError: An entity stands on a page that the document does not have.
    """
    last = max((entity.page for entity in form.entities), default=1)
    if last > len(pages):
        raise DatasetError(
            f"{form.annotation_path} names page {last} but {form.image_path.name} has "
            f"{len(pages)}: correct the annotation or put the whole document there."
        )
    drawn = [_draw_page(form, number, page) for number, page in enumerate(pages, start=1)]
    height = LEGEND_HEIGHT + sum(page.height + MARGIN for page in drawn)
    sheet = Image.new("RGB", (WIDTH, height), "white")
    sheet.paste(_draw_legend(form), (0, 0))
    top = LEGEND_HEIGHT
    for page in drawn:
        sheet.paste(page, (MARGIN, top))
        top += page.height + MARGIN
    return sheet


def _draw_page(form: Form, number: int, page: Image.Image) -> Image.Image:
    width = WIDTH - 2 * MARGIN
    size = (width, round(page.height * width / page.width))
    large = (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING)
    canvas = page.convert("RGB").resize(large, Image.Resampling.BICUBIC)
    canvas = Image.blend(canvas, Image.new("RGB", large, "white"), _FADING)
    draw = ImageDraw.Draw(canvas, "RGBA")
    draw.rectangle((0, 0, large[0] - 1, large[1] - 1), outline=(200, 200, 200), width=_OVERSAMPLING)
    scale = large[0] / page.width
    for entity in form.entities:
        if entity.page == number:
            _draw_box(draw, _scaled(entity.box, scale), entity.label)
    for source, target in form.links:
        if source.page == target.page == number:
            answers = (source.label, target.label) == ("question", "answer")
            _draw_arrow(draw, _scaled(source.box, scale), _scaled(target.box, scale), answers)
    return canvas.reduce(_OVERSAMPLING)


def _scaled(box: Box, scale: float) -> _Box:
    x0, y0, x1, y1 = (side * scale for side in box)
    return x0, y0, x1, y1


def _draw_box(draw: ImageDraw.ImageDraw, box: _Box, label: Label) -> None:
    colour = COLOURS[label]
    draw.rounded_rectangle(
        box, radius=6, fill=(*colour, 45), outline=(*colour, 235), width=2 * _OVERSAMPLING
    )


def _draw_arrow(draw: ImageDraw.ImageDraw, source: _Box, target: _Box, answers: bool) -> None:
    """Draw an arrow from one box to the other: thick for an answer, thin for other links."""
    start, end = _ends(source, target)
    length = math.dist(start, end)
    if length == 0:
        return
    colour = (*_LINK, 170) if answers else (*_INK, 120)
    head = (9 if answers else 6) * _OVERSAMPLING
    ux, uy = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    neck = (end[0] - ux * head, end[1] - uy * head)
    draw.line((start, neck), fill=colour, width=(2 if answers else 1) * _OVERSAMPLING)
    side = head * 0.45
    draw.polygon(
        (
            end,
            (neck[0] - uy * side, neck[1] + ux * side),
            (neck[0] + uy * side, neck[1] - ux * side),
        ),
        fill=colour,
    )
    if answers:
        dot = 2.5 * _OVERSAMPLING
        draw.ellipse((start[0] - dot, start[1] - dot, start[0] + dot, start[1] + dot), fill=colour)


def _ends(source: _Box, target: _Box) -> tuple[_Point, _Point]:
    """Return where an arrow leaves `source` and ends, a little inside of `target`.

    Between boxes that overlap it goes from middle to middle.
    """
    across = _facing(source[0::2], target[0::2])
    down = _facing(source[1::2], target[1::2])
    if across[0] == across[1] and down[0] == down[1]:
        return _middle(source), _middle(target)
    return (across[0], down[0]), (across[1], down[1])


def _middle(box: _Box) -> _Point:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _facing(source: Sequence[float], target: Sequence[float]) -> tuple[float, float]:
    """Return the places on one axis: the middle of what both cover, else the sides that face."""
    low, high = max(source[0], target[0]), min(source[1], target[1])
    if low <= high:
        return (low + high) / 2, (low + high) / 2
    inset = min(4 * _OVERSAMPLING, (target[1] - target[0]) / 2)
    if source[1] < target[0]:
        return source[1], target[0] + inset
    return source[0], target[1] - inset


def _draw_legend(form: Form) -> Image.Image:
    labels = Counter(entity.label for entity in form.entities)
    answered = sum((a.label, b.label) == ("question", "answer") for a, b in form.links)
    size = (WIDTH * _OVERSAMPLING, LEGEND_HEIGHT * _OVERSAMPLING)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas, "RGBA")
    left, middle = MARGIN * _OVERSAMPLING, 74 * _OVERSAMPLING
    title = ImageFont.load_default(28 * _OVERSAMPLING)
    draw.text((left, 34 * _OVERSAMPLING), form.form_id, _INK, title, anchor="lm")
    font = ImageFont.load_default(20 * _OVERSAMPLING)
    high, wide, gap = 11 * _OVERSAMPLING, 36 * _OVERSAMPLING, 10 * _OVERSAMPLING
    for name, count in [
        *((label, labels[label]) for label in LABELS),
        ("answered by", answered),
        ("other link", len(form.links) - answered),
    ]:
        if not count:
            continue
        swatch = (left, middle - high, left + wide, middle + high)
        if name in COLOURS:
            _draw_box(draw, swatch, name)
        else:
            ends = (left, middle, left, middle), (left + wide, middle, left + wide, middle)
            _draw_arrow(draw, *ends, answers=name == "answered by")
        text = f"{name} {count}"
        draw.text((left + wide + gap, middle), text, _INK, font, anchor="lm")
        left += wide + 4 * gap + round(draw.textlength(text, font))
    return canvas.reduce(_OVERSAMPLING)
