"""The part of Jinja that prompt templates may use: rendering neither fails nor takes long."""

from __future__ import annotations

import re
from functools import lru_cache

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

from ocr_extractor.errors import PromptError, shorten

VARIABLES = ("additional_rules", "fields", "ocr_text")

# What the registry takes, too.
_MAX_CHARACTERS = 100_000
# How much longer than its template a prompt gets: a page's text may be long.
_MAX_USES = 20
# Python compiles neither what is nested 100 levels deep nor a few thousand cases after an `if`.
_MAX_DEPTH = 20
_MAX_NODES = 1_000
_MAX_NUMBER = 10**9

# A text is no longer than it was, or up to three times where the case of a letter is changed.
_TEXT_FILTERS = frozenset({"capitalize", "default", "lower", "title", "trim", "upper"})
_FILTERS = ", ".join(sorted(_TEXT_FILTERS | {"length"}))

_PLACEHOLDER = re.compile(rf"\{{\{{\s*({'|'.join(VARIABLES)})\s*\}}\}}")
_ANY_PLACEHOLDER = re.compile(r"\{\{\s*([a-zA-Z_][\w.]*)\s*\}\}", re.ASCII)

# What is refused, how a message calls it, and what it advises.
_REFUSED: dict[tuple[type[nodes.Node], ...], tuple[str, str]] = {
    (nodes.For,): ("a loop", "write its lines out"),
    (nodes.Call,): ("a call", f"use a filter ({_FILTERS})"),
    (nodes.Getattr, nodes.Getitem): ("attribute access", "use the variable as a whole"),
    (nodes.Concat,): ("'~'", "write the texts one after the other"),
    (nodes.BinExpr, nodes.UnaryExpr): ("arithmetic", "write its result"),
    (nodes.Test,): ("a test", "write {% if ocr_text %}, which is true unless the text is empty"),
    (nodes.List,): ("a list", "compare with one value after the other"),
    (nodes.Tuple,): ("a tuple", "compare with one value after the other"),
    (nodes.Dict,): ("a dictionary", "compare with one value after the other"),
    (nodes.Macro,): ("a macro", "write its text where it is needed"),
    (nodes.CallBlock,): ("a call", "write its text where it is needed"),
    (nodes.Assign, nodes.AssignBlock): ("a 'set'", "write its value where it is needed"),
    (nodes.With,): ("a 'with'", "write its values where they are needed"),
    (nodes.FilterBlock,): ("a filter block", "use the filter in {{ }}"),
    (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends): (
        "another template",
        "copy its text",
    ),
    (nodes.Block,): ("a block", "leave its tags out"),
}


class Template:
    """A template that can be rendered: with any values, in a time and to a length that are bounded.

    Without `{% %}` it is one of MLflow's: `{{ name }}` stands for a variable, and nothing else is
    replaced. With `{% %}` it is one of Jinja's, of which it may use a part: the variables, texts,
    whole numbers, true and false, `{% if %}` and `... if ... else ...`, comparisons, `and`, `or`,
    `not`, and the filters capitalize, default, length, lower, title, trim and upper.

    Attributes:
        variables: The variables whose text is put somewhere.
    """

    def __init__(self, text: str) -> None:
        """Check a template and compile it.

        Raises:
            PromptError: The template is empty, broken or too long, uses a variable that is not
                supplied, or uses more of Jinja than it may; the message names the line.
        """
        if not text.strip():
            raise PromptError("The template is empty: write the instructions for the LLM into it.")
        if len(text) > _MAX_CHARACTERS:
            raise PromptError(
                f"The template has {len(text):,} characters, and may have {_MAX_CHARACTERS:,}: "
                "shorten it."
            )
        self._text = text
        self._compiled = None
        if "{%" not in text:
            self.variables = _check_plain(text)
            return
        # Of an environment of its own: one that is shared would keep what it has compiled.
        environment = SandboxedEnvironment(cache_size=0)
        try:
            tree = environment.parse(text)
        except RecursionError:
            raise PromptError("The template is nested too deeply: simplify it.") from None
        except TemplateError as error:
            line = f"line {error.lineno}: " if isinstance(error, TemplateSyntaxError) else ""
            raise PromptError(f"The template is not valid Jinja: {line}{shorten(error)}") from None
        except ValueError as error:  # a number of more than 4,300 digits
            raise PromptError(f"The template is not valid Jinja: {shorten(error)}") from None
        self.variables = _Check().template(tree)
        self._compiled = environment.from_string(tree)

    def render(self, *, additional_rules: str, fields: str, ocr_text: str) -> str:
        """Fill in the variables."""
        values = {"additional_rules": additional_rules, "fields": fields, "ocr_text": ocr_text}
        if self._compiled is not None:
            return self._compiled.render(values)
        # In one go: a page whose text has a placeholder in it does not receive the value.
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self._text)


@lru_cache(maxsize=16)
def check_template(text: str) -> Template:
    """Return a template that can be rendered; those asked for last are kept.

    Raises:
        PromptError: See `Template`.
    """
    return Template(text)


def _check_plain(text: str) -> frozenset[str]:
    used = _ANY_PLACEHOLDER.findall(text)
    if unknown := sorted(set(used) - set(VARIABLES)):
        raise _unknown(", ".join(unknown))
    if len(used) > _MAX_USES:
        raise PromptError(
            f"The template uses {shorten(', '.join(sorted(set(used))))} {len(used)} times: use "
            f"variables {_MAX_USES} times at most."
        )
    if (at := (left := _PLACEHOLDER.sub("", text)).find("{{")) >= 0:
        # MLflow fills in plain names only: a filter would reach the LLM as it stands.
        raise PromptError(
            f"The template has a placeholder that is not filled in ({shorten(left[at:], 40)}): "
            f"write {' or '.join(f'{{{{ {name} }}}}' for name in VARIABLES)}."
        )
    return frozenset(used)


class _Check:
    """Walks a syntax tree; every expression in it is of one kind: a text, a number or a truth."""

    def __init__(self) -> None:
        self._nodes = 0
        self._uses = 0
        self._shown: set[str] = set()

    def template(self, tree: nodes.Template) -> frozenset[str]:
        """Return the variables whose text is put somewhere.

        Raises:
            PromptError: The template uses what it may not.
        """
        self._statements(tree.body, 0)
        return frozenset(self._shown)

    def _statements(self, statements: list[nodes.Node], depth: int) -> None:
        for statement in statements:
            self._count(statement, depth)
            match statement:
                case nodes.Output(nodes=shown):
                    for each in shown:
                        self._kind(each, depth + 1, shown=True)
                case nodes.If(test=test, body=body, elif_=cases, else_=otherwise):
                    self._kind(test, depth + 1)
                    self._statements(body, depth + 1)
                    # Python nests one case in the other.
                    for number, case in enumerate(cases, 1):
                        self._statements([case], depth + number)
                    self._statements(otherwise, depth + 1)
                case _:
                    raise _refused(statement)

    def _kind(self, node: nodes.Node, depth: int, *, shown: bool = False) -> type:
        """Return the kind of an expression's value, `object` if it may be of several.

        Args:
            node: The expression.
            depth: How deep it is nested.
            shown: Whether its text is put somewhere.
        """
        self._count(node, depth)
        kind: type
        match node:
            case nodes.TemplateData():
                kind = str
            case nodes.Name():
                kind = self._variable(node, shown=shown)
            case nodes.Const(value=str() | bool() | int() as value):
                if isinstance(value, int) and value >= _MAX_NUMBER:
                    raise _error(node, "has a number of more than 9 digits", "use a smaller one")
                kind = type(value)
            case nodes.Not(node=inner):
                self._kind(inner, depth + 1)
                kind = bool
            case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
                kind = self._either(left, right, depth, shown=shown)
            case nodes.CondExpr(test=test, expr1=first, expr2=second):
                if second is None:
                    raise _error(node, "has a choice without an else", "add: else ''")
                self._kind(test, depth + 1)
                kind = self._either(first, second, depth, shown=shown)
            case nodes.Compare():
                kind = self._comparison(node, depth)
            case nodes.Filter():
                kind = self._filtered(node, depth, shown=shown)
            case _:
                raise _refused(node)
        return kind

    def _either(self, first: nodes.Expr, second: nodes.Expr, depth: int, *, shown: bool) -> type:
        kinds = {self._kind(each, depth + 1, shown=shown) for each in (first, second)}
        return kinds.pop() if len(kinds) == 1 else object

    def _variable(self, node: nodes.Name, *, shown: bool) -> type:
        if node.name not in VARIABLES:
            raise _unknown(node.name, f"Line {node.lineno} of the template")
        self._uses += 1
        if self._uses > _MAX_USES:
            raise _error(node, f"uses variables more than {_MAX_USES} times", "use them less often")
        if shown:
            self._shown.add(node.name)
        return str

    def _comparison(self, node: nodes.Compare, depth: int) -> type:
        left = self._kind(node.expr, depth + 1)
        for operand in node.ops:
            right = self._kind(operand.expr, depth + 1)
            if operand.op in {"in", "notin"}:
                if (left, right) != (str, str):
                    raise _error(node, "has an 'in' that is not between two texts", "use ==")
            elif operand.op not in {"eq", "ne"} and (left is not right or left is object):
                raise _error(
                    node,
                    "has a '<' or '>' between values that are not of the same kind",
                    "compare a length with a number, {{ ocr_text | length > 100 }}",
                )
            left = right
        return bool

    def _filtered(self, node: nodes.Filter, depth: int, *, shown: bool) -> type:
        name = node.name
        if name not in _TEXT_FILTERS | {"length"}:
            raise _error(node, f"has the filter '{shorten(name)}'", f"use one of {_FILTERS}")
        values = [each.value for each in node.args if isinstance(each, nodes.Const)]
        kinds = [type(value) for value in values]
        if (
            len(kinds) != len(node.args)
            or kinds not in ([[], [str], [str, bool]] if name == "default" else [[]])
            or node.kwargs
            or node.dyn_args
            or node.dyn_kwargs
        ):
            raise _error(
                node,
                f"gives the filter '{name}' an argument that it may not have",
                "write trim, or default('a text', true)",
            )
        shown = shown and name != "length"
        # Only the filter of a block has no value, and such blocks are refused.
        if node.node is None or self._kind(node.node, depth + 1, shown=shown) is not str:
            raise _error(node, f"gives the filter '{name}' what is not a text", "leave it out")
        return int if name == "length" else str

    def _count(self, node: nodes.Node, depth: int) -> None:
        self._nodes += 1
        if depth > _MAX_DEPTH:
            raise _error(node, "is nested too deeply", f"nest {_MAX_DEPTH} levels at most")
        if self._nodes > _MAX_NODES:
            raise PromptError(
                f"The template has more than {_MAX_NODES:,} pieces of Jinja: simplify it."
            )


def _refused(node: nodes.Node) -> PromptError:
    if isinstance(node, nodes.Const):
        return _error(node, f"has the value {shorten(node.value)}", "use a text or a whole number")
    for kinds, (found, instead) in _REFUSED.items():
        if isinstance(node, kinds):
            return _error(node, f"has {found}", instead)
    return _error(node, f"has a part that is not known ({type(node).__name__})", "leave it out")


def _error(node: nodes.Node, what: str, instead: str) -> PromptError:
    return PromptError(
        f"Line {node.lineno} of the template {what}: {instead}. Templates may use the variables "
        f"{', '.join(VARIABLES)}, {{% if %}}, comparisons and the filters {_FILTERS}."
    )


def _unknown(names: str, where: str = "The template") -> PromptError:
    return PromptError(
        f"{where} uses {shorten(names)}, which the extractor does not supply: "
        f"use only {', '.join(VARIABLES)}."
    )
