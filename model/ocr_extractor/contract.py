"""The contract with callers: pairs, fields, one extraction a document, and MLflow's signature."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in px, origin top-left, end exclusive."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One question of a form with its answer.

    Attributes:
        question: The printed label, as it stands on the page.
        answer: What was filled in; None for a field that was left blank.
        page: The page the question stands on, from 1.
        confidence: Probability in [0, 1] that the pair is right; None when not estimated.
        question_box: Where the question stands, px of the upright page; None when unknown.
        answer_box: Where the answer stands, px of the upright page; None when unknown.
        grounded: Whether OCR also read the answer (of a blank field: the question) on the page;
            None where that was not checked.
    """

    question: str
    answer: str | None
    page: int = 1
    confidence: float | None = None
    question_box: Box | None = None
    answer_box: Box | None = None
    grounded: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as plain JSON values, boxes as lists."""
        row = {name: getattr(self, name) for name in self.__slots__}
        boxes = {"question_box": self.question_box, "answer_box": self.answer_box}
        return row | {side: box and list(box) for side, box in boxes.items()}


Status = Literal["found", "blank", "absent", "invalid"]
"""The state of a leaf: read and normalised; its place on the page is empty; not on the document;
read, but its text could not be normalised."""


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One leaf of the schema on one document: a scalar, a cell of a table, or a table as a whole.

    Attributes:
        path: Where it stands in the schema: `company`, `seller.name`, `items[3].amount`; a table's
            own leaf has the path of its array, `items`.
        value: The typed value as JSON text; None unless the status is "found", and for a table.
        raw: The text as printed; None where nothing was read, and for a table.
        status: Its state.
        page: The page it stands on, from 1; None when it was not read.
        box: Where it stands, px of the page as given; None when unknown.
        confidence: How well the evidence supports the value, in [0, 1]; None when unknown.
        grounded: Whether OCR also read the text on the page; None where that was not checked.
        checks: The failed checks that use this leaf; for a table also its missing rows.
        accepted: Whether the confidence reaches the threshold of `accept_at`; None if it has none.
    """

    path: str
    value: str | None = None
    raw: str | None = None
    status: Status = "absent"
    page: int | None = None
    box: Box | None = None
    confidence: float | None = None
    grounded: bool | None = None
    checks: tuple[str, ...] = ()
    accepted: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the leaf as plain JSON values."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return row | {"box": self.box and list(self.box), "checks": list(self.checks)}


@dataclass(frozen=True, slots=True)
class Extraction:
    """The result of one document: one row of the output.

    Attributes:
        doc_id: The caller's id of the document, None when the caller gave none.
        pairs: The pairs of all pages that could be read, in page and reading order.
        error_code: Why the document, or one of its pages, failed; None when all was read.
        error: What is wrong and what to do about it; None when all was read.
        partial: Whether there are pairs although something failed: more may be missing.
        page_count: Pages of the document, None when it could not be opened.
        engine: The engine's name.
        prompt_uri: The prompt version in use, `prompts:/<name>/<version>`.
        prompt_source: "registry"; "snapshot" for the copy that travels with the model; "last_good"
            if the followed alias names no usable version.
        input_tokens: Tokens the LLM read, None when no page was counted.
        output_tokens: Tokens the LLM wrote, None when no page was counted.
        cached_tokens: Input tokens the LLM's server had in its cache, None when not counted.
        attempts: Requests that were sent for all pages, failed ones included.
        cache_hits: Pages whose completion was kept from an earlier request.
        cost: What all requests cost, USD; None when the price of one is not known.
        values: The typed object that the schema describes, as JSON text: every key, null for what
            is absent, blank or invalid. None without a schema, and when no page could be read.
        fields: Its leaves with their evidence; None where `values` is None.
    """

    doc_id: str | None
    pairs: tuple[Pair, ...]
    error_code: str | None
    error: str | None
    partial: bool
    page_count: int | None
    engine: str
    prompt_uri: str
    prompt_source: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None = None
    attempts: int = 0
    cache_hits: int = 0
    cost: float | None = None
    values: str | None = None
    fields: tuple[FieldValue, ...] | None = None

    def to_row(self) -> dict[str, Any]:
        """Return the row as plain JSON values, keyed by output column."""
        row = {name: getattr(self, name) for name in self.__slots__}
        row["pairs"] = [pair.to_dict() for pair in self.pairs]
        if self.fields is not None:
            row["fields"] = [leaf.to_dict() for leaf in self.fields]
        return row


OUTPUT_COLUMNS: tuple[str, ...] = Extraction.__slots__

STRUCT_COLUMN = "extraction"
"""The one column of the output with `as_struct`."""


def to_frame(extractions: list[Extraction], *, as_struct: bool = False) -> pd.DataFrame:
    """Return a row for each document; object columns keep None as None and integers as integers.

    Args:
        extractions: The documents' results.
        as_struct: Whether a document's row is a dictionary in a single column, for `spark_ddl`;
            `fields` is then empty instead of null, because MLflow 3.17's `spark_udf` fails on a
            null array of structs.
    """
    import pandas as pd

    rows = [extraction.to_row() for extraction in extractions]
    if as_struct:
        structs = [row | {"fields": row["fields"] or []} for row in rows]
        return pd.DataFrame({STRUCT_COLUMN: structs}, dtype=object)
    return pd.DataFrame(rows, columns=list(OUTPUT_COLUMNS), dtype=object)


def signature() -> ModelSignature:
    """Return MLflow's signature of the model: documents in, one extraction a document out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    image = ColSpec(DataType.binary, "image")
    doc_id = ColSpec(DataType.string, "doc_id", required=False)
    columns = ((name, *_mlflow_type(hint)) for name, hint in get_type_hints(Extraction).items())
    return ModelSignature(
        inputs=Schema([image, doc_id]),
        outputs=Schema([ColSpec(of, name, required) for name, of, required in columns]),
        params=ParamSchema(
            [
                ParamSpec("additional_rules", DataType.string, ""),
                ParamSpec("pages", DataType.string, ""),
                ParamSpec("as_struct", DataType.boolean, False),
            ]
        ),
    )


def _mlflow_type(hint: Any) -> tuple[Any, bool]:
    """Return MLflow's type for a type hint, and whether a value is required: it is never None."""
    from mlflow.types import DataType
    from mlflow.types.schema import Array, Object, Property

    plain = {
        str: DataType.string,
        int: DataType.long,
        float: DataType.double,
        bool: DataType.boolean,
        Status: DataType.string,
    }
    required = not isinstance(hint, UnionType)
    of = hint if required else get_args(hint)[0]
    if of in plain:
        return plain[of], required
    if get_origin(of) is tuple:
        return Array(_mlflow_type(get_args(of)[0])[0]), required
    members = get_type_hints(of).items()
    return Object([Property(name, *_mlflow_type(each)) for name, each in members]), required


def spark_ddl() -> str:
    """Return the `result_type` that `mlflow.pyfunc.spark_udf` needs, with `as_struct` as a param.

    MLflow 3.17 keeps nulls within a struct only: in columns of their own, null texts become
    "None", and a null integer in a batch with others fails the job.
    """
    columns = (f"{column.name}: {_spark_type(column.type)}" for column in signature().outputs)
    return f"{STRUCT_COLUMN} struct<{', '.join(columns)}>"


def _spark_type(of: Any) -> str:
    from mlflow.types.schema import Array, Object

    if isinstance(of, Array):
        return f"array<{_spark_type(of.dtype)}>"
    if isinstance(of, Object):
        fields = (f"{each.name}: {_spark_type(each.dtype)}" for each in of.properties)
        return f"struct<{', '.join(fields)}>"
    name: str = of.name
    return {"long": "bigint"}.get(name, name)
