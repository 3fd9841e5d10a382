"""A template that passes its check can neither fail nor run away when it is rendered."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocr_extractor.errors import PromptError
from ocr_extractor.prompts.template import VARIABLES, Template

# None of these is evaluated: what they would do is why they are refused.
REFUSED = {
    "a loop": ("{% for i in range(9) %}x{% endfor %}", "Line 1 .* has a loop"),
    "nested loops": (
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "Line 1 .* has a loop",
    ),
    "on its line": ("{% if ocr_text %}\n{% endif %}\n{{ 1/0 }}", "Line 3 .* has arithmetic"),
    "a method": ("{% if 1 %}{{ ocr_text.index('Total') }}{% endif %}", "Line 1 .* has a call"),
    "a function": ("{% if 1 %}{{ lipsum(n=99999) }}{% endif %}", "has a call"),
    "an attribute": ("{% if ocr_text.__class__ %}x{% endif %}", "has attribute access"),
    "an item": ("{% if ocr_text[0] %}x{% endif %}", "has attribute access"),
    "a slice": ("{% if ocr_text[:9] %}x{% endif %}", "has attribute access"),
    "repetition": ("{% if 1 %}{{ 'x' * 10**9 }}{% endif %}", "has arithmetic"),
    "a negative number": ("{% if -1 %}x{% endif %}", "has arithmetic"),
    "concatenation": ("{% if 1 %}{{ 'a' ~ ocr_text }}{% endif %}", "has '~'"),
    "a list": ("{% if ocr_text in ['a'] %}x{% endif %}", "has a list"),
    "a tuple": ("{% if 1, 2 %}x{% endif %}", "has a tuple"),
    "a macro": ("{% macro f() %}{{ f() }}{% endmacro %}", "has a macro"),
    "a variable of its own": ("{% set x = ocr_text %}{{ x }}", "has a 'set'"),
    "a filtered block": ("{% filter upper %}x{% endfilter %}", "has a filter block"),
    "another file": ("{% include 'other.md' %}", "has another template"),
    "a block": ("{% block a %}x{% endblock %}", "has a block"),
    "a test": ("{% if ocr_text is defined %}x{% endif %}", "has a test"),
    "a wide filter": ("{% if 1 %}{{ 'x' | center(10**9) }}{% endif %}", "has the filter 'center'"),
    "a filter of a list": ("{% if 1 %}{{ ocr_text | list }}{% endif %}", "has the filter 'list'"),
    "an unknown filter": ("{% if 1 %}{{ ocr_text | bogus }}{% endif %}", "has the filter 'bogus'"),
    "a filter's argument": ("{% if 1 %}{{ 'x' | trim(5) }}{% endif %}", "'trim' .* argument"),
    "a default's variable": (
        "{% if 1 %}{{ ocr_text | default(additional_rules) }}{% endif %}",
        "'default' .* argument",
    ),
    "a number's filter": ("{% if 1 %}{{ 5 | upper }}{% endif %}", "'upper' .* a text"),
    "a number in a text": ("{% if 5 in ocr_text %}x{% endif %}", "'in' .* two texts"),
    "a text and a number": ("{% if ocr_text > 5 %}x{% endif %}", "'>' .* same kind"),
    "a filter of one or the other": (
        "{% if 1 %}{{ (ocr_text or 5) | upper }}{% endif %}",
        "'upper' .* a text",
    ),
    "an order of one or the other": (
        "{% if (ocr_text or 5) < (ocr_text or 5) %}x{% endif %}",
        "'<' .* same kind",
    ),
    "a choice without the other": ("{% if 1 %}{{ 'x' if ocr_text }}{% endif %}", "without an else"),
    "a fraction": ("{% if 1.5 %}x{% endif %}", "has the value 1.5"),
    "none": ("{% if none %}x{% endif %}", "has the value None"),
    "a hexadecimal number": ("{% if 1 %}{{ 0x" + "f" * 9000 + " }}{% endif %}", "9 digits"),
    "a long number": ("{% if " + "9" * 5000 + " %}x{% endif %}", "not valid Jinja"),
    "more uses than a page has": ("{{ ocr_text }}" * 21, "uses .* 21 times"),
    "more uses in blocks": ("{% if 1 %}" + "{{ ocr_text }}" * 21 + "{% endif %}", "more than 20"),
    "long": ("x" * 100_001, "100,001 characters"),
    "deep blocks": ("{% if 1 %}" * 21 + "x" + "{% endif %}" * 21, "nested too deeply"),
    "very deep blocks": ("{% if 1 %}" * 4000 + "x" + "{% endif %}" * 4000, "nested too deeply"),
    "many cases": ("{% if 1 %}" + "{% elif 1 %}" * 5000 + "{% endif %}", "nested too deeply"),
    "parentheses": ("{% if " + "(" * 40_000 + "1" + ")" * 40_000 + " %}x", "nested too deeply"),
    "not": ("{% if " + "not " * 20_000 + "1 %}x{% endif %}", "nested too deeply"),
    "and": ("{% if 1" + " and 1" * 14_000 + " %}x{% endif %}", "nested too deeply"),
    "filters": ("{% if 'x'" + "|trim" * 14_000 + " %}x{% endif %}", "nested too deeply"),
    "many pieces": ("{% if 1 %}" + "{{ 1 }}" * 14_000 + "{% endif %}", "more than 1,000"),
    "many comparisons": ("{% if 1" + "==1" * 30_000 + " %}x{% endif %}", "more than 1,000"),
}


@pytest.mark.parametrize(("template", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_could_fail_or_run_away_is_refused(template: str, reason: str) -> None:
    with pytest.raises(PromptError, match=reason) as caught:
        Template(template)
    assert len(str(caught.value)) < 500


TAKEN = {
    "nothing": ("Read.", {}, "Read."),
    "the fields": ("<{{fields}}>", {"fields": "- total"}, "<- total>"),
    "a place": ("<{{ ocr_text }}>", {"ocr_text": "TO"}, "<TO>"),
    "an empty choice": ("a{% if ocr_text %}b{% endif %}", {}, "a"),
    "cases": (
        "{% if ocr_text == 'A' %}1{% elif ocr_text != 'B' %}2{% else %}3{% endif %}",
        {"ocr_text": "B"},
        "3",
    ),
    "inline": ("{% if 1 %}{{ 'x' if ocr_text else 'y' }}{% endif %}", {}, "y"),
    "logic": (
        "{% if ocr_text and not (additional_rules or false) %}x{% endif %}",
        {"ocr_text": "A"},
        "x",
    ),
    "the first that there is": (
        "{% if true %}{{ additional_rules or ocr_text or 'none' }}{% endif %}",
        {"ocr_text": "A"},
        "A",
    ),
    "contains": ("{% if 'total' in ocr_text | lower %}x{% endif %}", {"ocr_text": "TOTAL"}, "x"),
    "length": ("{% if ocr_text | length > 3 %}x{% endif %}", {"ocr_text": "four"}, "x"),
    "filters": ("{% if 1 %}{{ ocr_text | trim | title }}{% endif %}", {"ocr_text": " a b "}, "A B"),
    "a default": (
        "{% if 1 %}{{ additional_rules | default('none', true) }}{% endif %}",
        {},
        "none",
    ),
    "a comment": ("{# why #}{% if 1 %}x{% endif %}", {}, "x"),
    "braces as they are": ("{% raw %}{{ page }}{% endraw %}", {}, "{{ page }}"),
}


@pytest.mark.parametrize(("template", "values", "expected"), TAKEN.values(), ids=TAKEN)
def test_what_prompts_need_is_rendered(
    template: str, values: dict[str, str], expected: str
) -> None:
    given_values = dict.fromkeys(VARIABLES, "") | values
    assert Template(template).render(**given_values) == expected


@pytest.mark.parametrize(
    ("template", "variables"),
    [
        ("{{ ocr_text }}", {"ocr_text"}),
        ("{% if additional_rules %}{{ ocr_text | trim }}{% endif %}", {"ocr_text"}),
        ("{% raw %}{{ ocr_text }}{% endraw %}", set()),
        ("{% if 1 %}{{ ocr_text | length }}{{ 1 if additional_rules else 2 }}{% endif %}", set()),
    ],
    ids=["plain", "with a filter", "as it stands", "only its length"],
)
def test_it_names_the_variables_whose_text_it_shows(template: str, variables: set[str]) -> None:
    assert Template(template).variables == variables


def test_a_page_that_names_a_variable_does_not_receive_it() -> None:
    page = "{{ additional_rules }}"
    rendered = Template("{{ additional_rules }}|{{ ocr_text }}").render(
        additional_rules="{{ ocr_text }}", fields="", ocr_text=page
    )
    assert rendered == "{{ ocr_text }}|{{ additional_rules }}"


# Pieces of templates, hostile ones among them, in any order.
_GOOD = [*VARIABLES, "'x'", "5", "true"]
_ATOMS = [*_GOOD * 4, "'ŉß'", "1.5", "none", "page", "10**9", "range(9)", "[1]"]
_GOOD_FILTERS = ["trim", "upper", "title", "length", "default('x', true)"]
_FILTERS = [*_GOOD_FILTERS * 3, "center(9)", "replace('', 'x')"]
_OPERATORS = [*["==", "<", "in", "not in", "and", "or"] * 3, "~", "*", "/", "%"]


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(_FILTERS)).map(" | ".join),
        st.tuples(inner, st.sampled_from(_OPERATORS), inner).map(" ".join),
        st.tuples(inner, inner, inner).map(lambda e: f"({e[0]} if {e[1]} else {e[2]})"),
        inner.map(lambda e: f"not {e}"),
        inner.map(lambda e: f"({e})"),
        st.sampled_from([f"{name}.index('x')" for name in VARIABLES]),
    )


_EXPRESSIONS = st.recursive(st.sampled_from(_ATOMS), _grow, max_leaves=6)
_PIECES = st.one_of(
    st.text(max_size=5),
    _EXPRESSIONS.map(lambda e: f"{{{{ {e} }}}}"),
    st.tuples(_EXPRESSIONS, _EXPRESSIONS).map(
        lambda e: f"{{% if {e[0]} %}}{{{{ {e[1]} }}}}{{% endif %}}"
    ),
    st.sampled_from(
        ["{%", "%}", "{{", "}}", "{#", "{% if 1 %}", "{% else %}", "{% endif %}", "{% raw %}"]
    ),
)
_VALUES = ("", " a\n\n{{ ocr_text }} ŉ{% ß", "7")


@given(st.lists(_PIECES, max_size=8).map("".join))
@example("{% if ocr_text %}{{ additional_rules | upper }}{% endif %}")
def test_any_template_is_refused_or_rendered_within_bounds(text: str) -> None:
    try:
        template = Template(text)
    except PromptError:
        return
    for values in itertools.product(_VALUES, repeat=len(VARIABLES)):
        rendered = template.render(**dict(zip(VARIABLES, values, strict=True)))
        # A letter becomes three at most when its case changes.
        assert len(rendered) <= 3 * (len(text) + 20 * max(*map(len, values), 1))


@given(
    st.sampled_from([*_FILTERS, *_OPERATORS, *_ATOMS, *"(){}[].,:|~-", "{%", "{{", "if ", "not "]),
    st.integers(min_value=1, max_value=30_000),
)
def test_any_piece_repeated_is_refused_or_taken(piece: str, times: int) -> None:
    with contextlib.suppress(PromptError):
        Template("{% if 1" + piece * times + " %}x{% endif %}")
