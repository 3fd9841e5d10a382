from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import mlflow
import pytest
from PIL import Image

from data.drawing import LEGEND_HEIGHT, MARGIN, WIDTH
from entry_points import ROOT
from entry_points.preview import main

SIZE = (400, 300)
ROTATED = 6  # EXIF orientation: turn a quarter clockwise to see the page upright
LONG = "an answer that is so long that it does not fit into one line of the table and goes on below"


@pytest.fixture(scope="module")
def store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the tracking URI of a store for all tests here."""
    return f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store'))}"


@pytest.fixture
def dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, track_at: Callable[[str], None]
) -> Path:
    """Return a folder for forms; the test runs in another one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    track_at(store)
    for part in ("annotations", "images"):
        (tmp_path / "forms" / part).mkdir(parents=True)
    return tmp_path / "forms"


def annotate(dataset: Path, form_id: str, *pages: Sequence[tuple[str, str]]) -> Path:
    """Write a form of (question, answer) pages, blank where empty; return its image's stem."""
    form = []
    for pairs in pages:
        page = []
        for row, (question, answer) in enumerate(pairs):
            for column, (label, text) in enumerate([("question", question), ("answer", answer)]):
                x, y = 20 + 150 * column, 20 + 40 * row
                entity = {"label": label, "text": text, "box": [x, y, x + 100, y + 20]}
                linking = [[2 * row, 2 * row + 1]] if answer else []
                page.append({**entity, "id": 2 * row + column, "words": [], "linking": linking})
        form.append([entity for entity in page if entity["text"]])
    (dataset / "annotations" / f"{form_id}.json").write_text(json.dumps({"form": form}))
    return dataset / "images" / form_id


def white(size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.new("RGB", size, "white")


def height_of_pages(drawing: Path, pages: int) -> int:
    """Return the height of each page, px of the drawing."""
    with Image.open(drawing) as image:
        assert image.format == "PNG"
        assert image.width == WIDTH
        return (image.height - LEGEND_HEIGHT) // pages - MARGIN


def expected_height(size: tuple[int, int]) -> int:
    return round((WIDTH - 2 * MARGIN) * size[1] / size[0])


def test_a_form_is_drawn_and_its_pairs_are_printed(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = annotate(dataset, "f1", [("Name:", "Ann Lee"), ("Remarks", LONG), ("Date", "")])
    white().save(image.with_suffix(".png"))

    assert main(["--dataset", str(dataset), "--form", "f1"]) == 0

    assert height_of_pages(Path("preview-f1.png"), pages=1) == expected_height(SIZE)
    lines = capsys.readouterr().out.splitlines()
    assert "pages: 1, entities: 5, links: 2, pairs: 2, blank questions: 1" in lines
    table = lines.index("  question  answer")
    assert lines[table + 1 : table + 5] == [
        "  Name:     Ann Lee",
        "  Remarks   an answer that is so long that it does not fit into one line",
        "            of the table and goes on below",
        "  Date      (blank)",
    ]
    assert f"page with entities and links: {Path('preview-f1.png').resolve()}" in lines
    assert lines[-1] == f"next: mlflow run . --env-manager uv -P dataset={dataset}"


def test_the_fields_of_a_document_are_printed_and_their_places_drawn(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipts = ROOT / "data" / "samples-fields" / "receipts"
    assert main(["--dataset", str(receipts), "--form", "receipt-01"]) == 0

    lines = capsys.readouterr().out.splitlines()
    truth = json.loads((receipts / "fields" / "receipt-01.json").read_text())
    assert re.fullmatch(r"pages: 1, values: \d+, nulls: \d+, places known: [1-9]\d*", lines[1])
    assert "  field                 value" in lines
    assert f"  date                  {truth['date']}" in lines
    assert f"  items[1].amount       {truth['items'][1]['amount']}" in lines
    assert lines[-1].endswith(f"-P schema={receipts}/schema.json -P prompt_name=receipts")
    with Image.open("preview-receipt-01.png") as drawn:
        colours = {colour for _, colour in drawn.getcolors(drawn.width * drawn.height) or ()}
    assert len(colours) > 256  # boxes in colour on a grey page


def test_the_drawing_is_an_artifact_of_the_run_that_mlflow_started(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = annotate(dataset, "f1", [("Name:", "Ann")])
    white().save(image.with_suffix(".png"))
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)

    assert main(["--dataset", str(dataset), "--output", str(tmp_path / "out" / "f.png")]) == 0

    assert (tmp_path / "out" / "f.png").is_file()
    run = mlflow.get_run(run_id)
    assert run.data.tags["form_id"] == "f1"
    assert [file.path for file in mlflow.artifacts.list_artifacts(run_id=run_id)] == ["f.png"]


def test_a_form_is_drawn_by_lot_with_a_seed(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form_id in ("a", "b", "c", "d"):
        white().save(annotate(dataset, form_id, [("Q", "A")]).with_suffix(".png"))

    def shown(seed: int) -> str:
        assert main(["--dataset", str(dataset), "--seed", str(seed)]) == 0
        return capsys.readouterr().out.splitlines()[0]

    assert shown(1) == shown(1)
    assert len({shown(seed) for seed in range(8)}) > 1


def test_a_page_that_exif_turns_is_drawn_upright(dataset: Path) -> None:
    image = annotate(dataset, "turned", [("Q", "A")])
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    white((300, 400)).save(image.with_suffix(".jpg"), exif=exif)

    assert main(["--dataset", str(dataset)]) == 0

    assert height_of_pages(Path("preview-turned.png"), pages=1) == expected_height((400, 300))


@pytest.mark.parametrize("suffix", [".tiff", ".pdf"])
def test_all_pages_of_a_document_are_drawn(
    dataset: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    image = annotate(dataset, "two", [("Q", "A")], [("Q", "A")])
    white().save(image.with_suffix(suffix), save_all=True, append_images=[white()], resolution=150)

    assert main(["--dataset", str(dataset)]) == 0

    height = height_of_pages(Path("preview-two.png"), pages=2)
    assert height == pytest.approx(expected_height(SIZE), abs=3)
    assert (
        "pages: 2, entities: 4, links: 2, pairs: 2, blank questions: 0" in capsys.readouterr().out
    )


def test_a_form_that_is_not_there_is_answered_with_one_that_is(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    white().save(annotate(dataset, "f1", [("Q", "A")]).with_suffix(".png"))

    assert main(["--dataset", str(dataset), "--form", "f2"]) != 0

    assert "no form is named 'f2': give one of f1" in capsys.readouterr().err


def test_a_drawing_that_cannot_be_written_is_reported_and_makes_no_run(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    white().save(annotate(dataset, "f1", [("Q", "A")]).with_suffix(".png"))
    runs_before = len(mlflow.search_runs(output_format="list"))

    assert main(["--dataset", str(dataset), "--output", str(dataset)]) == 2

    told = f"error: --output is {dataset}, which cannot be written ({dataset}: Is a directory)"
    assert capsys.readouterr().err.startswith(told)
    assert len(mlflow.search_runs(output_format="list")) == runs_before


def test_a_damaged_document_is_reported_and_makes_no_run(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotate(dataset, "f1", [("Q", "A")]).with_suffix(".png").write_bytes(b"no image")
    runs_before = len(mlflow.search_runs(output_format="list"))

    assert main(["--dataset", str(dataset)]) != 0

    assert capsys.readouterr().err.startswith("error: The bytes are not a readable PNG")
    assert len(mlflow.search_runs(output_format="list")) == runs_before
