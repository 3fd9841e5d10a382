"""A schema is read, described to an LLM, or refused with its path and what to write instead."""

from __future__ import annotations

import enum
import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic import Field as Described

from ocr_extractor.errors import ConfigError, SchemaError
from ocr_extractor.fields.json_schema import MAX_FIELDS, MAX_NAME
from ocr_extractor.fields.schema import Field, Group, Schema, Table
from ocr_extractor.fields.schema_text import MAX_CHARACTERS

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "model" / "schemas").glob("*.yaml"))
FIELDS_DIR = Path(os.environ.get("FIELDS_DIR", "/nowhere"))

INVOICE = """
title: invoice
type: object
properties:
  number: {type: string, description: The invoice's number., x-labels: [Invoice No., Rechnungsnr.]}
  issued: {type: [string, "null"], format: date, description: Printed day first}
  paid: {type: boolean}
  method: {enum: [cash, card, null]}
  seller:
    type: object
    description: Who sells
    properties:
      name: {type: string, x-critical: true}
  items:
    type: array
    x-labels: Positions
    items:
      type: object
      description: One position
      properties:
        quantity: {type: integer}
        amount: {type: number, x-type: money, x-decimal: ","}
x-checks: [sum(items.amount) >= 0]
"""


def of(properties: Any, **top: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **top}


def test_a_schema_has_fields_groups_and_tables():
    schema = Schema.load(INVOICE)
    assert schema.title == "invoice"
    assert schema.document == yaml.safe_load(INVOICE)
    assert [str(check) for check in schema.checks] == ["sum(items.amount) >= 0"]
    assert schema.members == (
        Field(
            "number",
            description="The invoice's number.",
            labels=("Invoice No.", "Rechnungsnr."),
        ),
        Field("issued", "date", "Printed day first", nullable=True, date_order="dmy"),
        Field("paid", "boolean"),
        Field("method", nullable=True, enum=("cash", "card")),
        Group("seller", (Field("name", critical=True),), "Who sells"),
        Table(
            "items",
            (
                Field("quantity", "integer"),
                Field("amount", "number", semantic_type="money", decimal=","),
            ),
            "One position",
            ("Positions",),
        ),
    )
    assert list(schema.leaves()) == [
        *("number", "issued", "paid", "method"),
        *("seller.name", "items[].quantity", "items[].amount"),
    ]


def test_json_and_yaml_are_the_same_schema():
    schema = Schema.load(INVOICE)
    again = Schema.load(json.dumps(schema.document))
    assert again == schema
    assert hash(again) == hash(schema)


def test_the_document_is_a_copy():
    document = of({"a": {"type": "string"}})
    schema = Schema.parse(document)
    document["properties"]["b"] = {"type": "string"}
    assert list(schema.document["properties"]) == ["a"]


def test_the_llm_is_asked_for_texts_in_the_schemas_shape():
    asked = Schema.load(INVOICE).response_format()
    assert asked["required"] == ["number", "issued", "paid", "method", "seller", "items"]
    row = asked["properties"]["items"]["items"]
    assert set(row["properties"]) == {"quantity", "amount"}
    for each in (asked, asked["properties"]["seller"], row):
        assert each["type"] == "object"
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])
    for leaf in (asked["properties"]["issued"], row["properties"]["amount"]):
        assert leaf["type"] == ["string", "null"]
        assert "as it is printed" in leaf["description"]
    assert "Rechnungsnr." in asked["properties"]["number"]["description"]
    assert "blank" in asked["description"]


def test_the_description_has_a_line_for_each_field():
    lines = Schema.load(INVOICE).describe().splitlines()
    assert len(lines) == 9
    assert lines[0] == (
        '- "number": The invoice\'s number. Often labelled "Invoice No.", "Rechnungsnr.". '
        "The text as it is printed."
    )
    assert lines[3] == '- "method": One of: cash, card. The text as it is printed.'
    assert lines[5] == '  - "name": The text as it is printed.'
    assert lines[6].startswith('- "items": A list, one entry for each row of the table.')


@pytest.mark.parametrize(
    ("description", "order"),
    [
        ("printed day first", "dmy"),
        ("Month first", "mdy"),
        ("the year first", "ymd"),
        ("day first or month first", None),
        ("", None),
    ],
)
def test_a_description_tells_the_order_of_a_date(description: str, order: str | None):
    field = {"type": "string", "format": "date", "description": description}
    [found] = Schema.parse(of({"day": field})).leaves().values()
    assert found.date_order == order


def test_the_order_that_is_given_counts_more_than_the_description():
    field = {"type": "string", "format": "date", "description": "day first", "x-date-order": "mdy"}
    assert Schema.parse(of({"day": field})).leaves()["day"].date_order == "mdy"


class Method(enum.Enum):
    CASH = "cash"
    CARD = "card"


class Seller(BaseModel):
    """Who sells."""

    name: str | None = Described(None, description="Its name")


class Item(BaseModel):
    amount: Decimal | None
    unit: Literal["kg", "m"] | None = None


class Invoice(BaseModel):
    total: Decimal = Described(json_schema_extra={"x-type": "money"})
    issued: date | None = None
    method: Method = Method.CASH
    other: Method | None = None
    seller: Seller | None = None
    kind: Literal["invoice"] = "invoice"
    items: list[Item] = []
    notes: list[Item] | None = None


def test_a_pydantic_class_is_a_schema():
    schema = Schema.parse(Invoice.model_json_schema())
    columns = (
        Field("amount", "number", nullable=True),
        Field("unit", nullable=True, enum=("kg", "m")),
    )
    assert schema.members == (
        Field("total", "number", semantic_type="money"),
        Field("issued", "date", nullable=True),
        Field("method", enum=("cash", "card")),
        Field("other", nullable=True, enum=("cash", "card")),
        Group("seller", (Field("name", description="Its name", nullable=True),), "Who sells."),
        Field("kind"),
        Table("items", columns),
        Table("notes", columns),
    )  # fmt: skip


STRING = {"type": "string"}
ROW = of({"a": STRING})


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"a": {"type": "object", "properties": {"b": ROW}}}, r"#/properties/a/properties/b .*one"),
        ({"a": {"type": "array", "items": STRING}}, r"#/properties/a/items .*with properties"),
        ({"a": {"type": "array"}}, r"#/properties/a/items .*type any"),
        ({"a": {"type": "array", "items": of({"b": {"type": "array", "items": ROW}})}}, "in a row"),
        ({"a": {"type": "array", "prefixItems": [STRING]}}, "prefixItems: write items"),
        ({"a": {"anyOf": [STRING, {"type": "boolean"}]}}, "2 alternatives: write one type"),
        ({"a": {"anyOf": 5}}, "list of schemas"),
        ({"a": {"oneOf": [STRING]}}, "oneOf: write one type"),
        ({"a": {"type": ["string", "number"]}}, "type .*write string"),
        ({"a": {"type": "text"}}, "type text: write string"),
        ({"a": {"type": {}}}, "write string"),
        ({"a": True}, "#/properties/a .*True: write an object with a type"),
        ({"a": {"type": "string", "pattern": "x"}}, "pattern: leave it out"),
        ({"a": {"type": "number", "minimum": 0}}, "minimum: leave it out.*x-checks"),
        ({"a": {"type": "string", "format": "date-time"}}, "format date-time: write format: date"),
        ({"a": {"type": "string", "format": "email"}}, "x-type: email"),
        ({"a": {"type": "number", "format": "date"}}, "format date: leave it out"),
        ({"a": {"type": "integer", "enum": [1, 2]}}, "enum .*texts, each in quotes"),
        ({"a": {"type": "string", "enum": []}}, "enum"),
        ({"a": {"type": "string", "enum": ["x", "x"]}}, "texts that differ"),
        ({"a": {"$ref": "other.json"}}, r"\$ref other.json: refer to what is in \$defs"),
        ({"a": {"$ref": "#/$defs/Loop"}}, "leads to itself"),
        ({"a": {"$ref": "#/$defs/None"}}, r"#/\$defs/Name"),
        ({"a": {"type": "object"}}, "without properties"),
        ({"a": {**ROW, "additionalProperties": STRING}}, "additionalProperties with a schema"),
        ({"a": {**STRING, "x-label": "A"}}, "x-label: leave it out; field takes .*x-labels"),
        ({"a": {**STRING, "x-labels": [5]}}, "x-labels .*list of texts"),
        ({"a": {**STRING, "x-type": 5}}, "x-type 5: write one word"),
        ({"a": {**STRING, "x-date-order": "dmy"}}, "x-date-order dmy"),
        ({"a": {"type": "string", "format": "date", "x-date-order": "dym"}}, "dmy, mdy or ymd"),
        ({"a": {"type": "number", "x-decimal": ";"}}, "x-decimal"),
        ({"a": {"type": "number", "x-decimal": ["."]}}, "x-decimal"),
        ({"a": {**STRING, "x-critical": "yes"}}, "x-critical yes: write true or false"),
        ({"a": {**STRING, "x-checks": []}}, "x-checks"),
        ({"a": {**STRING, "description": 5}}, "description 5: write a text"),
        ({}, "without properties"),
        ([], "without properties"),
    ],
    ids=lambda each: each[:30] if isinstance(each, str) else "",
)  # fmt: skip
def test_what_is_not_supported_is_refused_with_its_path(properties: Any, says: str):
    loop = {"Loop": {"$ref": "#/$defs/Loop"}}
    with pytest.raises(SchemaError, match=says) as refused:
        Schema.parse(of(properties, **{"$defs": loop}))
    assert isinstance(refused.value, ConfigError)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("top", "says"),
    [
        ({"title": 5}, "title"),
        ({"x-checks": "a == b"}, "x-checks .*list of texts"),
        ({"x-checks": ["a == 'x'"] * 51}, "51 checks, and may have 50"),
        ({"x-checks": ["a == b"]}, "'b' is none of the schema's fields"),
        ({"type": "array"}, "type array: write type: object"),
        ({"minProperties": 1}, "minProperties"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_a_wrong_top_is_refused(top: dict[str, Any], says: str):
    with pytest.raises(SchemaError, match=says):
        Schema.parse(of({"a": STRING}) | top)


@pytest.mark.parametrize(
    "name",
    ["a", "Rechnungs-Nr 5", "総額", "कुल राशि", "_x", "__proto__", "sum", "5", "n" * MAX_NAME],
)
def test_names_of_any_script_work(name: str):
    schema = Schema.load(json.dumps(of({name: STRING})))
    assert list(schema.leaves()) == [name]
    assert schema.response_format()["required"] == [name]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "an empty name"),
        ("a.b", "the name 'a.b'"),
        ("a[0]", "letters, digits"),
        ("{{ x }}", "letters, digits"),
        ('a"b', "letters, digits"),
        ("a\x00b", r"a\\x00b"),
        ("a\nb", "letters, digits"),
        ("\u202eb", "letters, digits"),
        (" a", "letters, digits"),
        ("a/b", "letters, digits"),
        ("n" * (MAX_NAME + 1), "a name of 65 characters"),
        ("n" * 90_000, "a name of 90,000 characters"),
    ],
    ids=lambda each: repr(each)[:20],
)
def test_hostile_names_are_refused(name: str, says: str):
    with pytest.raises(SchemaError, match=says) as refused:
        Schema.parse(of({name: STRING}))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


def test_names_that_differ_in_case_only_are_refused():
    with pytest.raises(SchemaError, match=r"'Stra.e' and 'STRASSE'.*case only"):
        Schema.parse(of({"Straße": STRING, "STRASSE": STRING}))


def test_a_schema_of_2000_fields_is_refused():
    with pytest.raises(SchemaError, match=f"2,000 .* may have {MAX_FIELDS} fields"):
        Schema.parse(of({f"f{i}": STRING for i in range(2_000)}))
    groups = {f"g{i}": of({f"f{j}": STRING for j in range(100)}) for i in range(20)}
    with pytest.raises(SchemaError, match=f"has 2,000 fields, and may have {MAX_FIELDS}"):
        Schema.parse(of(groups))


def test_as_many_fields_as_may_be_are_read():
    schema = Schema.parse(of({f"f{i}": STRING for i in range(MAX_FIELDS)}))
    assert len(schema.leaves()) == MAX_FIELDS


def test_a_schema_that_no_tag_can_hold_is_refused():
    text = of({"a": {**STRING, "description": "x" * MAX_CHARACTERS}})
    for read in (Schema.parse, lambda each: Schema.load(json.dumps(each))):
        with pytest.raises(SchemaError, match="may have 100,000"):
            read(text)
    # MLflow stores it with each character of another script as six.
    with pytest.raises(SchemaError, match="may have 100,000"):
        Schema.parse(of({"a": {**STRING, "description": "額" * 20_000}}))


@pytest.mark.parametrize("levels", [2, 60, 150, 20_000])
def test_deep_nesting_is_refused(levels: int):
    deep: dict[str, Any] = dict(STRING)
    for _ in range(levels):
        deep = of({"a": deep})
    with pytest.raises(SchemaError, match="nested one level deep"):
        Schema.parse(of({"a": deep}))


@pytest.mark.parametrize(
    "text",
    ['{"a":' * 15_000, "[" * 90_000, "{a: " * 10_000, "? " * 40_000],
    ids=["JSON", "JSON arrays", "YAML braces", "YAML keys"],
)
def test_a_text_that_breaks_a_parser_is_refused(text: str):
    with pytest.raises(SchemaError):
        Schema.load(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write a JSON Schema of type object"),
        ("- a", "write a JSON Schema of type object"),
        ("{", "not valid JSON: line 1, column 2"),
        ("a: [", "not valid YAML: line 1"),
        ("a: \x00", "cannot be read"),
        ('{"type": "object", "type": "object"}', "the key 'type' twice"),
        ("type: object\ntype: object", "line 2: the key 'type' is there twice"),
        ('{"default": NaN}', "JSON does not have .*put it in quotes"),
        ("type: object\ndefault: .nan", "JSON does not have .*put it in quotes"),
        ("default: 2020-01-01", "JSON does not have .*type date.*put it in quotes"),
        ("default: 2020-13-99", "cannot be read|quotes"),
        ("properties: {no: {type: string}}", "line 1: the key 'no' is not a text: .*quotes"),
        ("type: object\nproperties: {a: {enum: [yes, no]}}", "each in quotes"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: &a {b: 1}\nc: {<<: *a}", "line 2: aliases are not supported, use .ref"),
        ('{"title": "\\ud800"}', "half a surrogate pair"),
        ('{"default": ' + "9" * 5_000 + "}", "cannot be read"),
        ("type: object\nproperties: {a: {type: [string, null]}}", '"null".*quotes'),
        ("&a [*a]", "aliases are not supported"),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_a_wrong_text_is_refused(text: str, says: str):
    with pytest.raises(SchemaError, match=says):
        Schema.load(text)


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(SchemaError, match="aliases are not supported"):
        Schema.load("\n".join(lines))


@given(st.text(max_size=300))
def test_any_text_is_a_schema_or_refused(text: str):
    with pytest.raises(SchemaError):
        Schema.load(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "properties", "items", "enum", "anyOf", "$ref", "format"]),
        inner | st.sampled_from(["string", "object", "array", "date"]),
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4), json_values)
def test_any_json_is_a_schema_or_refused(properties: dict[str, Any], definitions: Any):
    try:
        schema = Schema.parse(of(properties, **{"$defs": definitions}))
    except SchemaError:
        return
    assert schema.response_format()["required"] == list(properties)
    assert schema.describe()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_schemas_can_be_used(path: Path):
    schema = Schema.load(path.read_text(encoding="utf-8"))
    assert schema.title == path.stem
    assert schema.checks
    assert any(field.critical for field in schema.leaves().values())
    assert all(field.description for field in schema.leaves().values())


def test_three_schemas_are_shipped():
    assert [path.stem for path in SHIPPED] == ["invoice", "order", "receipt"]


@pytest.mark.skipif(not FIELDS_DIR.is_dir(), reason="FIELDS_DIR names no folder")
@pytest.mark.parametrize("name", ["receipts", "adbuys", "invoices"])
def test_real_schemas_can_be_used(name: str):
    schema = Schema.load((FIELDS_DIR / name / "schema.json").read_text(encoding="utf-8"))
    for leaf in schema.leaves().values():
        assert leaf.type != "date" or leaf.date_order
