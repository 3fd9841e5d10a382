"""The review file takes what a person writes, and refuses what makes no sense."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entry_points.command_line.cli import UsageError
from entry_points.labelling.review_file import ReviewLine, lines_of, read_lines, write_lines
from entry_points.predictions.output import KEY

PAIRS = [
    {"question": "Date", "answer": "May 5", "page": 1},
    {"question": 'Größe, "m"', "answer": None, "page": 2},
]
ROW: dict[str, Any] = {"doc_id": "a.png", "pairs": PAIRS, "page_count": 2, KEY: "f" * 64}
ROWS = {"a.png": ROW}
LINE = lines_of(ROW)[0]


def test_lines_come_back_as_they_were_written(tmp_path: Path):
    file = tmp_path / "review.csv"
    lines = [*lines_of(ROW), replace(LINE, pair="", question="To", answer="one\ntwo")]
    write_lines(file, lines)
    assert read_lines(file, ROWS) == lines
    assert [line.answer for line in lines] == ["May 5", "", "one\ntwo"]


def test_a_file_that_cannot_be_written_to_its_end_keeps_what_a_person_has_written(tmp_path: Path):
    def until_the_disk_is_full() -> Iterator[ReviewLine]:
        yield LINE
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "review.csv"
    write_lines(file, [replace(LINE, verdict="accept")])
    with pytest.raises(OSError, match="No space"):
        write_lines(file, until_the_disk_is_full())
    assert read_lines(file, ROWS) == [replace(LINE, verdict="accept")]
    assert list(tmp_path.iterdir()) == [file]


def test_a_document_without_pairs_has_a_line_too():
    assert lines_of(ROW | {"pairs": []}) == [ReviewLine("a.png", "", "1", "", "", "", "f" * 16)]


def test_no_file_is_like_an_empty_one(tmp_path: Path):
    assert read_lines(tmp_path / "review.csv", ROWS) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        pytest.param(replace(LINE, doc_id="b.png"), "not among the predictions", id="document"),
        pytest.param(replace(LINE, verdict="yes"), "the verdict is 'yes'", id="verdict"),
        pytest.param(replace(LINE, read_by="e" * 16), "was read again", id="other-prediction"),
        pytest.param(replace(LINE, pair="3"), "no predicted pair '3'", id="pair"),
        pytest.param(replace(LINE, pair="x"), "no predicted pair 'x'", id="pair-in-letters"),
        pytest.param(replace(LINE, page="0"), "no page '0'", id="page"),
        pytest.param(replace(LINE, page=""), "no page ''", id="no-page"),
        pytest.param(
            replace(LINE, question="", verdict="accept"), "without a question", id="no-question"
        ),
    ],
)
def test_names_the_line_that_cannot_be_used(tmp_path: Path, line: ReviewLine, fault: str):
    file = tmp_path / "review.csv"
    write_lines(file, [LINE, line])
    with pytest.raises(UsageError, match=f"line 3: .*{fault}"):
        read_lines(file, ROWS)


def test_a_file_with_other_columns_is_refused(tmp_path: Path):
    file = tmp_path / "review.csv"
    file.write_text("question,answer\n", encoding="utf-8")
    with pytest.raises(UsageError, match="other columns"):
        read_lines(file, ROWS)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        pytest.param("a.png,1,1,one,two,three,accept,\n", "8 cells instead of 7", id="comma"),
        pytest.param("a.png,1,1\n", "3 cells instead of 7", id="too few"),
        pytest.param('a.png,1,1,"one" two,,,\n', "double quotes", id="quote"),
        pytest.param('a.png,1,1,"one\n', "double quotes", id="quote without end"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, fault: str):
    file = tmp_path / "review.csv"
    write_lines(file, [LINE])
    with file.open("a", encoding="utf-8") as end:
        end.write(line)
    with pytest.raises(UsageError, match=f"review.csv, line 3: .*{fault}"):
        read_lines(file, ROWS)


def test_a_file_that_is_not_utf_8_says_how_to_save_it(tmp_path: Path):
    file = tmp_path / "review.csv"
    file.write_bytes("Größe".encode("latin-1"))
    with pytest.raises(UsageError, match="save it as CSV UTF-8"):
        read_lines(file, ROWS)


def test_no_text_is_a_formula_and_each_comes_back(tmp_path: Path):
    file = tmp_path / "review.csv"
    lines = [
        replace(LINE, question=text, answer=text)
        for text in ("=1+1", "+49 30", "-5", "@x", "'=1", "'tis", "''-", "＝1")  # noqa: RUF001
    ]
    write_lines(file, lines)
    assert ",'=1+1,'=1+1," in file.read_text(encoding="utf-8-sig")
    assert read_lines(file, ROWS) == lines
