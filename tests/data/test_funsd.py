from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import DatasetError
from data.funsd import dataset_digest, load_folder, pick_form, read_form, summarise
from data.splits import in_split
from entry_points import ROOT
from tests.data.annotations import entity, write


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in entity(0, "question", "q").items() if name != key}


MALFORMED = {
    "not JSON": ("{", "Invalid JSON"),
    "not an object": ("[]", "object"),
    "no form": ("{}", "form: Field required"),
    "form is no list": ({"form": {}}, "valid array"),
    "entity is no object": ({"form": [7]}, r"form\.page\.0.*it is 7"),
    "pages and entities mixed": ({"form": [[], entity(0, "other", "")]}, r"form\.pages\.1"),
    **{
        f"no {key}": ({"form": [without(key)]}, rf"{key}: Field required")
        for key in entity(0, "", "")
    },
    "unknown label": ({"form": [entity(0, "title", "")]}, r"label.*it is 'title'"),
    "id is a text": ({"form": [{**entity(0, "other", ""), "id": "0"}]}, r"id: .*integer"),
    "box of three": ({"form": [{**entity(0, "other", ""), "box": [1, 2, 3]}]}, r"box\.3"),
    "box of fractions": ({"form": [{**entity(0, "other", ""), "box": [1, 2, 3, 4.5]}]}, "4.5"),
    "link of one": ({"form": [{**entity(0, "other", ""), "linking": [[1]]}]}, r"linking\.0"),
    "word without text": (
        {"form": [{**entity(0, "other", ""), "words": [{"box": [0, 0, 1, 1]}]}]},
        r"words\.0\.text",
    ),
    "id taken": ({"form": [entity(0, "other", "a"), entity(0, "other", "b")]}, "have the id 0"),
}


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_annotation_is_named_with_the_place_that_is_wrong(
    tmp_path: Path, content: object, message: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))

    with pytest.raises(DatasetError, match=rf"bad\.json: .*{message}"):
        read_form(path, path)


def test_an_annotation_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(b'{"form": "\xff"}')

    with pytest.raises(DatasetError, match="UTF-8"):
        read_form(path, path)


def test_a_folder_is_read_in_order_of_form_ids(tmp_path: Path) -> None:
    for form_id in ("b", "a", "c"):
        write(tmp_path, form_id, [])

    forms = load_folder(tmp_path)

    assert [form.form_id for form in forms] == ["a", "b", "c"]
    assert forms[0].image_path == tmp_path / "images" / "a.png"


def test_a_limit_takes_the_first_forms_or_draws_the_same_ones_for_a_seed(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path, f"{number:02}", [])

    def ids(limit: int, seed: int | None) -> list[str]:
        return [form.form_id for form in load_folder(tmp_path, limit=limit, seed=seed)]

    assert ids(3, None) == ["00", "01", "02"]
    assert ids(5, 1) == ids(5, 1) == sorted(ids(5, 1))
    assert len({tuple(ids(5, seed)) for seed in range(5)}) == 5
    assert len(ids(99, 1)) == 20


def test_forms_are_left_out_before_any_are_drawn(tmp_path: Path) -> None:
    for form_id in "abc":
        write(tmp_path, form_id, [])

    left = load_folder(tmp_path, limit=2, seed=1, without=["b", "z"])

    assert [form.form_id for form in left] == ["a", "c"]
    with pytest.raises(DatasetError, match="leave out fewer"):
        load_folder(tmp_path, without="abc")


@pytest.mark.parametrize("suffix", [".PNG", ".jpg", ".tiff", ".pdf", ".webp"])
def test_an_image_may_have_any_suffix_of_a_document(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, "a", [])
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / f"a{suffix}")

    assert load_folder(tmp_path)[0].image_path.name == f"a{suffix}"


def test_files_that_macos_leaves_in_archives_are_no_forms(tmp_path: Path) -> None:
    write(tmp_path, "a", [])
    write(tmp_path, "._a", [])

    assert [form.form_id for form in load_folder(tmp_path)] == ["a"]


def test_an_image_without_annotation_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a", [])
    (tmp_path / "images" / "b.png").write_bytes(b"")

    assert [form.form_id for form in load_folder(tmp_path)] == ["a"]
    assert "1 images have no annotation" in caplog.text


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere is not a folder.*-e download"):
        load_folder(tmp_path / "nowhere")


def test_the_folder_above_a_dataset_points_to_it(tmp_path: Path) -> None:
    write(tmp_path / "training_data", "a", [])

    with pytest.raises(DatasetError, match=r"inside it: .*training_data"):
        load_folder(tmp_path)


@pytest.mark.parametrize("part", ["annotations", "images"])
def test_a_folder_that_lacks_a_part_is_refused(tmp_path: Path, part: str) -> None:
    write(tmp_path, "a", [])
    for path in (tmp_path / part).iterdir():
        path.unlink()
    (tmp_path / part).rmdir()

    with pytest.raises(DatasetError, match=f"{part} is not a folder"):
        load_folder(tmp_path)


def test_a_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", [])
    (tmp_path / "annotations" / "a.json").unlink()

    with pytest.raises(DatasetError, match=r"holds no \.json file"):
        load_folder(tmp_path)


def test_an_annotation_without_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", [])
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "a.doc")

    with pytest.raises(DatasetError, match=r"a\.json has no image"):
        load_folder(tmp_path)


def test_an_annotation_with_two_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", [])
    (tmp_path / "images" / "a.pdf").write_bytes(b"")

    with pytest.raises(DatasetError, match=r"several images \(a\.pdf, a\.png\)"):
        load_folder(tmp_path)


def test_a_split_is_taken_before_the_limit() -> None:
    samples = ROOT / "data" / "samples"
    validation = load_folder(samples, split="validation")
    assert validation == in_split(load_folder(samples), "validation")
    assert load_folder(samples, split="validation", limit=2) == validation[:2]


def test_a_split_without_forms_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "invoice-01", [])  # its hash puts it into the development split
    with pytest.raises(DatasetError, match="no form in its validation split"):
        load_folder(tmp_path, split="validation")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: int) -> None:
    write(tmp_path, "a", [])

    with pytest.raises(DatasetError, match=f"limit is {limit}"):
        load_folder(tmp_path, limit=limit)


def test_the_digest_depends_on_content_and_on_nothing_else(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        write(tmp_path / folder, "a", [])
        write(tmp_path / folder, "b", [entity(0, "other", "x")])
    here, there = load_folder(tmp_path / "here"), load_folder(tmp_path / "there")
    digest = dataset_digest(here)

    assert digest == dataset_digest(there[::-1])
    assert digest != dataset_digest(here[:1])
    here[0].image_path.write_bytes(b"another image")
    assert digest != dataset_digest(here)
    there[0].annotation_path.write_text('{"form":[]}')
    assert digest != dataset_digest(there)


def test_a_form_is_picked_by_name_or_by_seed(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path, f"{number:02}", [])
    forms = load_folder(tmp_path)

    assert pick_form(forms, "07", seed=0).form_id == "07"
    assert pick_form(forms, None, seed=3) is pick_form(forms, None, seed=3)
    assert len({pick_form(forms, None, seed).form_id for seed in range(20)}) > 5


def test_an_unknown_form_id_is_answered_with_near_ones(tmp_path: Path) -> None:
    for form_id in ("invoice-1", "invoice-2", "letter"):
        write(tmp_path, form_id, [])

    with pytest.raises(DatasetError, match=r"'invoice-3': give one of invoice-[12], invoice-[12]"):
        pick_form(load_folder(tmp_path), "invoice-3", seed=0)


def test_no_form_can_be_picked_from_none() -> None:
    with pytest.raises(DatasetError, match="no form to pick from"):
        pick_form([], None, seed=0)


def test_the_training_split_has_the_published_counts(funsd_training: Path) -> None:
    forms = load_folder(funsd_training)

    found = summarise(forms)

    assert (found.forms, found.entities, found.words) == (149, 7411, 22512)
    assert found.labels == {"question": 3266, "answer": 2802, "header": 441, "other": 902}
    assert found.links["question", "answer"] == 3129
    assert found.links["header", "question"] == 1016
    # 40 with the one question that is linked to itself (listed twice, as every link is).
    assert found.links["question", "question"] == 39
    assert found.answered_questions == 2116
    assert found.labels["question"] - found.answered_questions == 1150
    assert found.several_answers == 343
    assert found.pairs == 2047
    assert found.repeated_questions == 193
    assert found.no_colon == 1330
    assert found.empty_entities == 152
    assert found.forms_without_pairs == 2
    assert sum(len(form.blank_questions()) for form in forms) == 1141  # 9 of 1150 have no text
