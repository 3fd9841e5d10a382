"""Examples become part of a template, and nothing in them is taken for the template's language."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.forms import Form
from data.funsd import load_folder
from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.optimizing.budget import divide
from entry_points.optimizing.examples import FewShotExamples, fill, fold_examples, write_example
from ocr_extractor.prompts.template import check_template

FORMS = load_folder(ROOT / "data" / "samples")
INVOICE = next(form for form in FORMS if form.form_id == "invoice-01")
HOSTILE = "{{ page }} {% if %} {# "


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("Read. {{examples}} {{ additional_rules }}", id="plain"),
        pytest.param(
            "Read. {{ examples }}{% if additional_rules %}x{{ additional_rules }}{% endif %}",
            id="jinja",
        ),
    ],
)
def test_a_filled_template_can_be_used_whatever_the_forms_say(template: str):
    filled = fill(template, [write_example(INVOICE, HOSTILE), write_example(INVOICE, "\\1")])
    check_template(filled)
    assert "{ { page }} { % if %}" in filled
    assert "\\1" in filled


def test_an_example_has_text_pairs_and_blanks():
    entities = {entity.text for entity in INVOICE.entities}
    assert "Blank" not in entities
    blank = replace(INVOICE.entities[0], id=999, label="question", text="Blank")
    form: Form = replace(INVOICE, entities=(*INVOICE.entities, blank))
    example = write_example(form, "the text")
    assert "Text on the form:\nthe text\n" in example
    assert '{"question": "Blank", "answer": null}' in example
    assert INVOICE.pairs()[0].answer in example


def test_folding_takes_the_examples_out_again():
    filled = fill("Read. {{ examples }} Go.", ["one", "two"])
    assert fold_examples(filled) == (
        "Read. {{ examples }} Go.",
        "<examples>\n\none\n\ntwo\n\n</examples>",
    )
    assert fold_examples("Read.") == ("Read.", "")


def test_other_examples_are_others_and_always_the_same_ones():
    shots = FewShotExamples(2, dict.fromkeys("abcd", ""), seed=1)
    assert shots.others("a,b") != "a,b"
    assert shots.others("a,b") == shots.others("a,b")
    assert len(set(shots.others("a,b").split(","))) == 2


def test_no_form_is_in_two_parts():
    parts = divide(FORMS, examples=2, seed=1)
    ids = [
        form.form_id for each in (parts.development, parts.shown, parts.validation) for form in each
    ]
    assert sorted(ids) == [form.form_id for form in FORMS]
    assert len(parts.shown) == 4


def test_too_few_forms_are_refused():
    with pytest.raises(UsageError, match="at least 23 and 5"):
        divide(FORMS, examples=10, seed=1)
