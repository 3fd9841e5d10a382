"""From an LLM's completion to pairs: the schema it must follow, and what is done with its text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocr_extractor.contract import Pair
from ocr_extractor.errors import CompletionError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ocr_extractor.fields.raw_tree import RawTree

# Lone surrogates and control characters cannot be stored as UTF-8 or shown as text.
_NOT_TEXT = re.compile("[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

# All quantifiers over text are possessive: no completion, however odd, makes them backtrack.
_OPEN_STRING = r'"(?:[^"\\]++|\\.)*+'
_VALUE = rf'(?:{_OPEN_STRING}"|[\w+.-]++)'
_MEMBER = rf'{_OPEN_STRING}"\s*+:\s*+{_VALUE}'
_FORM = re.compile(r'\{\s*+"pairs"\s*+:\s*+\[')
_FLAT_OBJECT = re.compile(rf"\s*+(\{{\s*+(?:{_MEMBER}(?:\s*+,\s*+{_MEMBER})*+)?\s*+\}})", re.DOTALL)
_COMMA = re.compile(r"\s*+,")
_END = re.compile(r"\s*+\]\s*+(?:\}|\Z)")
# What may follow the last complete object of a text that ends too early.
_CUT = re.compile(
    rf'\s*+(?:\{{(?:{_OPEN_STRING}"|[\s:,\w+.-]++)*+(?:{_OPEN_STRING}\\?)?)?\Z', re.DOTALL
)

# A text that ends in a loop: so many repeats of one unit, over so many characters. A text that
# was finished may repeat itself for a reason (a table's blank cells), but not a hundred times.
_LOOP_WINDOW = 16_384
_LOOP_CHARACTERS = 400
LOOP_REPEATS_CUT = 8
LOOP_REPEATS_FINISHED = 100
# A text that is still being written may leave a loop again: a dotted line is so long at most.
_LOOP_CHARACTERS_GROWING = 2_000


class CompletedPair(BaseModel):
    """One field of the form, as the LLM is asked to give it."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(description="The field's printed label, exactly as on the page.")
    answer: str | None = Field(description="What was filled in; null for a field left blank.")


class CompletedForm(BaseModel):
    """The strict JSON schema of a completion."""

    model_config = ConfigDict(extra="forbid")

    pairs: list[CompletedPair] = Field(description="Every field, in reading order.")


@dataclass(frozen=True)
class ParsedCompletion:
    """What a completion's text says.

    Attributes:
        pairs: The complete pairs that have a question, in the LLM's order.
        fault: Why there may be more pairs that are not known; None for a finished completion.
        raw_fields: The texts of the schema's fields; None where none were asked for, or are there.
        spans: Where they stand in the completion, characters [start, end), by their path.
    """

    pairs: tuple[Pair, ...]
    fault: EngineError | None = None
    raw_fields: RawTree | None = None
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def degenerate(self) -> bool:
        """Whether the LLM repeated itself until it was stopped."""
        return self.fault is not None and self.fault.code == "degenerate_completion"


def parse_completion(text: str, page: int) -> ParsedCompletion:
    """Read the form in a completion; prose and code fences around it are passed over.

    Time and memory are linear in the text, whatever it is. Of several forms the last one counts: it
    is what the LLM settled on.

    Returns:
        The pairs. Where the text is cut off or ends in a loop, those before that, and the fault.

    Raises:
        CompletionError: There is no form in the text, or it does not follow the schema.
    """
    form = _last_form(text)
    if form is None:
        if loop_start(text, LOOP_REPEATS_CUT) is not None:
            return ParsedCompletion((), degenerate())
        if not text.strip():
            raise empty()
        raise invalid("it holds no object with the key 'pairs'")
    if form.state == "malformed":
        raise invalid("its JSON is malformed")
    finished = form.state == "finished"
    repeats = LOOP_REPEATS_FINISHED if finished else LOOP_REPEATS_CUT
    suspicious = not finished or len(form.objects) >= LOOP_REPEATS_FINISHED
    if suspicious and (loop := loop_start(text[: form.end], repeats)) is not None:
        kept = [each for each in form.objects if each[1] <= loop]
        return ParsedCompletion(_to_pairs(text, kept, page), degenerate())
    pairs = _to_pairs(text, form.objects, page)
    return ParsedCompletion(pairs, None if finished else cut_off())


def cut_off() -> CompletionError:
    """Return the fault of a completion that ended before it was finished."""
    return CompletionError(
        "completion_cut_off",
        "The LLM's answer was cut off; what stands before the cut is kept: raise max_tokens.",
    )


def repeats_itself(text: str) -> bool:
    """Tell whether a completion that is still being written will not leave its loop again.

    What is called so would have been called degenerate if it had ended here.
    """
    start = loop_start(text, LOOP_REPEATS_FINISHED)
    return start is not None and len(text) - start >= _LOOP_CHARACTERS_GROWING


@dataclass(frozen=True)
class _Form:
    """Where a form's objects stand in the text, [start, end), and how far it could be read."""

    objects: list[tuple[int, int]]
    end: int
    state: Literal["finished", "cut", "malformed"]


def _last_form(text: str) -> _Form | None:
    """Find the last form that is not malformed, else the last one."""
    last = None
    position = 0
    while (opening := _FORM.search(text, position)) is not None:
        form = _scan_form(text, opening.end())
        if last is None or last.state == "malformed" or form.state != "malformed":
            last = form
        position = form.end
    return last


def _scan_form(text: str, position: int) -> _Form:
    """Find the objects of the array that opens before `position`."""
    objects: list[tuple[int, int]] = []
    while True:
        if (ending := _END.match(text, position)) is not None:
            return _Form(objects, ending.start(), "finished")
        start = position
        if objects and (comma := _COMMA.match(text, position)) is not None:
            start = comma.end()
        found = _FLAT_OBJECT.match(text, start)
        if found is None and _CUT.match(text, start) is not None:
            return _Form(objects, len(text), "cut")
        if found is None or (objects and start == position):
            return _Form(objects, position, "malformed")
        objects.append(found.span(1))
        position = found.end()


def _to_pairs(text: str, objects: Iterable[tuple[int, int]], page: int) -> tuple[Pair, ...]:
    """Check each object against the schema and clean its texts; an empty answer is a blank."""
    pairs = []
    for start, end in objects:
        try:
            item = CompletedPair.model_validate(_DECODER.decode(text[start:end]))
        except ValidationError:
            raise invalid("its objects are not {question, answer}") from None
        except ValueError:
            raise invalid("its JSON is malformed") from None
        question = clean(item.question)
        if question:
            pairs.append(Pair(question, clean(item.answer or "") or None, page))
    return tuple(pairs)


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a key occurs twice")
    return found


# Not strict: LLMs without a schema write line breaks into strings as they are.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, strict=False)


def loop_start(text: str, repeats: int) -> int | None:
    """Return where the second round of the loop that ends the text begins, None without a loop.

    The prefix function of the reversed end gives, for every suffix, its shortest period (Knuth,
    Morris, Pratt, "Fast pattern matching in strings", 1977).
    """
    window = text[-_LOOP_WINDOW:]
    ending = window[::-1]
    borders = [0] * len(ending)
    start: int | None = None
    for index in range(1, len(ending)):
        border = borders[index - 1]
        while border and ending[index] != ending[border]:
            border = borders[border - 1]
        borders[index] = border + (ending[index] == ending[border])
        length = index + 1
        period = length - borders[index]
        if length >= _LOOP_CHARACTERS and length >= repeats * period:
            start = len(window) - length + period
    return None if start is None else max(0, len(text) - _LOOP_WINDOW) + start


def degenerate() -> CompletionError:
    """Return the fault of a completion that ends in a loop."""
    return CompletionError(
        "degenerate_completion",
        "The LLM repeats itself without end; what stands before that is kept: use another LLM or "
        "prompt, or set a temperature above 0.",
    )


def invalid(reason: str) -> CompletionError:
    """Return the error of a completion that is not in the form that was asked for."""
    return CompletionError(
        "invalid_completion",
        f"The LLM's answer does not follow the JSON schema ({reason}): use a server and LLM that "
        "support structured outputs.",
        retryable=True,
    )


def empty() -> CompletionError:
    """Return the error of a completion without a text."""
    return CompletionError(
        "empty_completion", "The LLM's answer is empty: try again.", retryable=True
    )


def clean(text: str) -> str:
    """Return a text without what cannot be stored or shown, and without space around it."""
    return _NOT_TEXT.sub("", text).strip()
