"""An LLM for the loopback server that copies a document's fields, with errors that are known."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.llm_servers.completions import completion

Tree = dict[str, Any]
ASKS_FOR_ROWS = re.compile(r'of "(\w+)" only the rows after this one, which you gave last: ')
ASKS_AGAIN = "these checks of its values failed"


def _leaf(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": [kind, "null"], **more}


SCHEMA: dict[str, Any] = {
    "title": "invoice",
    "type": "object",
    "properties": {
        "company": _leaf("string"),
        "issued": _leaf("string", format="date", **{"x-date-order": "dmy"}),
        "due": _leaf("string", format="date", **{"x-date-order": "dmy"}),
        "total": _leaf("number"),
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "article": _leaf("string"),
                    "pieces": _leaf("integer"),
                    "amount": _leaf("number"),
                },
            },
        },
    },
    "x-checks": ["sum(items.amount) == total", "issued <= due"],
}


@dataclass
class FieldsLlm:
    """For `CheckingLlm.answer`: gives the raw texts of the page whose mark is in the prompt.

    Attributes:
        pages: What each page has, by a text that only the prompt for this page holds.
        most_rows: So many rows of a table are given in one answer; None for all.
        spoil: What makes an answer wrong; it is not applied to an answer after failed checks.
        told: The instructions of all requests.
    """

    pages: Mapping[str, Tree]
    most_rows: int | None = None
    spoil: Callable[[Tree], Tree] = copy.deepcopy
    told: list[str] = field(default_factory=list)

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        told = body["messages"][0]["content"]
        self.told.append(told)
        tree = copy.deepcopy(next(tree for mark, tree in self.pages.items() if mark in told))
        if ASKS_AGAIN not in told:
            tree = self.spoil(tree)
        for name, rows in tree.items():
            if isinstance(rows, list):
                tree[name] = rows[self._first(name, rows, told) :][: self.most_rows]
        return completion(json.dumps(tree))

    @staticmethod
    def _first(name: str, rows: list[Tree], told: str) -> int:
        """Return where the rows begin that are asked for."""
        for asked in ASKS_FOR_ROWS.finditer(told):
            if asked[1] == name:
                last, _ = json.JSONDecoder().raw_decode(told, asked.end())
                return rows.index(last) + 1
        return 0


def swapped_day_and_month(tree: Tree) -> Tree:
    """Return a page whose dates dd/mm/yyyy are mm/dd/yyyy."""
    swapped = re.sub(r"\b(\d\d)/(\d\d)/(\d{4})\b", r"\2/\1/\3", json.dumps(tree))
    return dict(json.loads(swapped))


def numbers_as_numbers(tree: Tree) -> Tree:
    """Return a page whose amounts are JSON numbers, not texts."""
    return dict(json.loads(re.sub(r'"(\d+\.\d\d)"', r"\1", json.dumps(tree))))


def invented(name: str, text: str) -> Callable[[Tree], Tree]:
    """Return what puts a text that is not on the page in the place of a field's."""
    return lambda tree: copy.deepcopy(tree) | {name: text}


def printed_pdf(pages: Sequence[Sequence[tuple[int, int, str]]]) -> bytes:
    """Return a PDF with a text layer: per page texts in 10 pt, each with its x and y from below."""
    font = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    kids = " ".join(f"{3 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
    ]
    for at, texts in enumerate(pages):
        shown = "\n".join(f"BT /F 10 Tf {x} {y} Td ({text}) Tj ET" for x, y, text in texts)
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {4 + 2 * at} 0 R "
            f"/Resources {font} >>",
            f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream",
        ]
    body = "".join(f"{n} 0 obj\n{each}\nendobj\n" for n, each in enumerate(objects, start=1))
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n%%EOF\n"
    return f"%PDF-1.7\n{body}{end}".encode("latin-1")


def invoice(*sizes: int) -> tuple[bytes, dict[str, Tree]]:
    """Return an invoice of so many rows on each page, and what each page has by its mark."""
    drawn, trees, part, cents = [], {}, 0, 0
    for number, size in enumerate(sizes, start=1):
        mark = f"sheet {number:02d} of {len(sizes)}"
        texts = [(50, 760, f"Ann and Sons, {mark}"), (50, 745, "Article"), (300, 745, "Pieces")]
        tree: Tree = dict.fromkeys(("company", "issued", "due", "total")) | {"items": []}
        for at in range(size):
            part += 1
            amount = f"{part * 137 % 9000 / 100 + 1:.2f}"
            cents += int(amount.replace(".", ""))
            row = {"article": f"Part {part}", "pieces": str(part % 7 + 1), "amount": amount}
            tree["items"].append(row)
            texts += zip((50, 300, 400), [730 - 13 * at] * 3, row.values(), strict=True)
        if number == 1:
            tree["company"] = "Ann and Sons"
        if number == len(sizes):
            last = {"issued": "05/03/2018", "due": "18/03/2018", "total": f"{cents / 100:.2f}"}
            tree |= last
            for x, (label, text) in zip((50, 220, 390), last.items(), strict=True):
                texts.append((x, 30, f"{label}: {text}"))
        drawn.append(texts)
        trees[mark] = tree
    return printed_pdf(drawn), trees
