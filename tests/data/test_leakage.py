"""A page is known again, and pages of different forms are told apart."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from data.leakage import Fingerprint, Leak, find_leaks
from entry_points import ROOT

PAGES = sorted((ROOT / "data" / "samples" / "images").glob("*.png"))
PAGE = Image.open(PAGES[0]).convert("L")


def as_jpeg(page: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


@pytest.mark.parametrize(
    ("page", "likeness"),
    [
        pytest.param(PAGE.copy(), "same", id="copy"),
        pytest.param(PAGE.convert("RGB"), "same", id="as-colour"),
        pytest.param(as_jpeg(PAGE), "near", id="jpeg"),
        pytest.param(PAGE.resize((PAGE.width * 9 // 10, PAGE.height * 9 // 10)), "near", id="size"),
        pytest.param(PAGE.rotate(0.5, fillcolor=255), "near", id="turned"),
        pytest.param(Image.open(PAGES[1]), None, id="another"),
    ],
)
def test_tells_how_alike_two_pages_are(page: Image.Image, likeness: str | None):
    assert Fingerprint.of(page).likeness(Fingerprint.of(PAGE)) == likeness


def test_no_two_samples_look_alike():
    prints = [Fingerprint.of(Image.open(path)) for path in PAGES]
    alike = [one.likeness(other) for i, one in enumerate(prints) for other in prints[:i]]
    assert set(alike) == {None}


def test_no_two_training_forms_look_alike(funsd_training: Path):
    prints = [Fingerprint.of(Image.open(path)) for path in (funsd_training / "images").iterdir()]
    alike = [one.likeness(other) for i, one in enumerate(prints) for other in prints[:i]]
    assert set(alike) == {None}


def test_finds_pages_of_two_splits_and_not_of_one():
    one, two = (Fingerprint.of(Image.open(path)) for path in PAGES[:2])
    splits: dict[str, dict[str, list[Fingerprint]]] = {
        "development": {"a": [one], "a-again": [one], "b": [two]},
        "validation": {"c": [two, one]},
        "test": {"d": []},
    }
    found = find_leaks(splits)
    assert [(leak.one[1], leak.other[1]) for leak in found] == [
        ("a", "c"),
        ("a-again", "c"),
        ("b", "c"),
    ]
    assert str(Leak(("x", "a"), ("y", "b"), "same")) == "a (x) is the same page as b (y)"
