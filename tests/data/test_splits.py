"""A form stays in its split."""

from __future__ import annotations

from data.funsd import load_folder
from data.splits import SPLITS, in_split, split_of
from entry_points import ROOT


def test_a_form_stays_in_its_split():
    known = {"invoice-01": "development", "fax-01": "validation"}
    assert {form_id: split_of(form_id) for form_id in known} == known


def test_the_splits_hold_about_half_each():
    splits = [split_of(f"form-{number}") for number in range(1000)]
    assert 450 < splits.count("development") < 550


def test_every_form_is_in_one_split_in_the_given_order():
    forms = load_folder(ROOT / "data" / "samples")
    parts = [in_split(forms, split) for split in SPLITS]
    assert sorted(form.form_id for part in parts for form in part) == [
        form.form_id for form in forms
    ]
    assert [form for form in forms if form in parts[0]] == parts[0]
