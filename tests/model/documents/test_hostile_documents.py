"""A hostile document costs its row, and no more time and memory than it may take."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import PromptVersion

from data.hostile import (
    HOSTILE_DOCUMENTS,
    deflated_paths_pdf,
    deflated_text_pdf,
    nested_forms_pdf,
)
from entry_points import ROOT
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import Pair
from ocr_extractor.documents.encoding import encode_for_llm
from ocr_extractor.documents.input_frame import InputDocument
from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.documents.opener import Opener, open_document
from ocr_extractor.documents.pdf import PdfDocument
from ocr_extractor.documents.pdf_process import PdfProcesses
from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.openai.cost import estimate
from ocr_extractor.errors import DocumentError, LimitError
from ocr_extractor.fields.schema import Schema
from ocr_extractor.prompts.prompt import Prompt
from ocr_extractor.reader import DocumentReader
from tests.model.pdf_processes import alive, cpu_seconds, pdf_processes
from tests.model.sample_documents import encoded, page, pdf
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.usefixtures("no_traces"),
]

Started = Callable[[], set[int]]

GOOD = pdf("1 0 0 rg 36 72 36 72 re f")


@pytest.fixture
def started() -> Started:
    """Return what tells the PDF processes that the test has started, and that still run."""
    before = pdf_processes()
    return lambda: pdf_processes() - before


class EncodingEngine:
    """An engine that does with a page what the LLM's engine does with its pixels."""

    name = "openai"

    def read(self, page: Page, instructions: str, schema: Schema | None = None) -> PageReading:
        _, size = encode_for_llm(page, 2048, "png", 92)
        return PageReading((Pair("size", "x".join(map(str, size)), page.number),), 10, 1)


def reader(**settings: Any) -> DocumentReader:
    config = ExtractorConfig(engine="openai", prompt_uri="prompts:/p/1", **settings)
    version = PromptVersion("p", 1, "Read.")  # type: ignore[abstract]  # it is not, at run time
    return DocumentReader(config, Prompt("prompts:/p/1", version, "snapshot"), EncodingEngine())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nested_forms.pdf", "document_too_complex"),
        ("deflated_text.pdf", None),  # only its text layer is too much, which nobody asked for
        ("deflated_paths.pdf", "document_timeout"),
        ("long_page.pdf", "too_many_pixels"),
        ("deep_grey.png", None),
        ("transparent.png", None),
        ("float.tiff", None),
        ("one_row.png", "too_many_pixels"),
    ],
)
def test_each_hostile_document_costs_its_row_only(
    name: str, code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    shared = reader(pdf_page_s=3.0, pdf_memory_bytes=400_000_000, trace_content="metadata")
    documents = [InputDocument("hostile", HOSTILE_DOCUMENTS[name]())] + [
        InputDocument("good", GOOD) for _ in range(8)
    ]
    hostile, *good = shared.read_all(documents, "")
    assert (hostile.error_code, [each.error for each in good]) == (code, [None] * 8)
    assert caplog.records == []


def test_a_slow_pdf_does_not_hold_the_others(started: Started) -> None:
    opener = Opener(PageLimits(pdf_page_s=60.0), 4)
    slow = opener.open(deflated_paths_pdf())
    with ThreadPoolExecutor(1) as threads:
        drawn = threads.submit(slow.page, 1)
        wait_for(lambda: any(cpu_seconds(each) > 0.5 for each in started()))
        for _ in range(3):
            assert opener.open(GOOD).page(1).image.size == (150, 300)
        assert not drawn.done()
        slow.close()
        with pytest.raises(DocumentError):
            drawn.result(30)


def test_a_page_that_is_still_drawn_when_its_time_is_over_leaves_nothing(
    caplog: pytest.LogCaptureFixture, started: Started
) -> None:
    shared = reader(max_document_s=3.0)
    [late] = shared.read_all([InputDocument("slow", deflated_paths_pdf())], "")
    assert late.error_code == "document_timeout"
    wait_for(lambda: not started())
    [good] = shared.read_all([InputDocument("good", GOOD)], "")
    assert good.error is None
    assert caplog.records == []


def test_a_closed_document_is_not_read_any_more() -> None:
    document = open_document(GOOD)
    document.close()
    with pytest.raises(LimitError, match="ran out of time"):
        document.page(1)


@pytest.mark.parametrize(
    ("seconds", "code"), [(0.2, "document_timeout"), (60.0, "document_too_complex")]
)
def test_words_that_take_too_much_are_the_documents_error(seconds: float, code: str) -> None:
    limits = PageLimits(pdf_page_s=seconds, pdf_memory_bytes=400_000_000)
    document = open_document(deflated_text_pdf(), limits)
    with pytest.raises(LimitError) as refused:
        document.text_layer(1)
    assert refused.value.code == code


def test_a_text_layer_of_very_many_characters_is_none() -> None:
    assert open_document(deflated_text_pdf(200_000)).text_layer(1) is None


def test_an_estimate_draws_nothing() -> None:
    config = ExtractorConfig(engine="openai", prompt_uri="prompts:/p/1", llm="gpt-4o")
    opener = Opener(PageLimits(pdf_page_s=5.0, pdf_memory_bytes=200_000_000))
    documents = [make() for make in HOSTILE_DOCUMENTS.values()] + [GOOD]
    found = estimate(config, opener, "Read.", documents, 0.0)
    assert found.pages == len(documents) - 2  # the two whose pages are too long


@pytest.mark.parametrize(
    "data", [encoded(page(), "PNG"), GOOD, encoded(page(), "WEBP")], ids=["PNG", "PDF", "WEBP"]
)
def test_a_page_that_alone_takes_too_much_memory_is_refused_undecoded(data: bytes) -> None:
    document = open_document(data, PageLimits(max_decoded_bytes=1_000))
    with pytest.raises(LimitError, match=r"bytes to decode, max_decoded_bytes=1,000"):
        document.page(1)


def test_pages_wait_for_their_share_of_memory_until_their_time_is_over() -> None:
    opener = Opener(PageLimits(max_decoded_bytes=2_000_000))
    document = opener.open(encoded(page().resize((600, 400)), "PNG"))
    with opener.decoded(document, 1) as first:
        first.image.load()
        with opener.decoded(document, 1):  # what decoding took beside the pixels is free again
            pass
    opener = Opener(PageLimits(max_decoded_bytes=document.decoded_bytes(1)))
    with (
        opener.decoded(document, 1),
        pytest.raises(LimitError) as late,
        opener.decoded(document, 1, until=0.0),
    ):
        pass
    assert late.value.code == "document_timeout"


def test_processes_end_with_their_opener_and_begin_with_the_first_pdf(started: Started) -> None:
    opener = Opener(None, 4)
    opener.open(encoded(page(), "PNG")).page(1)
    assert not started()
    opener.open(GOOD).close()
    [process] = started()
    del opener
    gc.collect()
    assert not alive(process)


def test_an_idle_process_that_was_killed_is_replaced(started: Started) -> None:
    opener = Opener()
    document = opener.open(GOOD)
    [process] = started()
    os.kill(process, 9)
    wait_for(lambda: not alive(process))
    assert document.page(1).image.size == (150, 300)


def test_a_page_whose_process_somebody_kills_is_drawn_by_another(started: Started) -> None:
    opener = Opener()
    document = opener.open(GOOD)
    assert isinstance(document, PdfDocument)
    [process] = started()
    os.kill(process, signal.SIGSTOP)  # it takes the request, and does not answer
    with ThreadPoolExecutor() as pool:
        drawn = pool.submit(document.page, 1)
        wait_for(lambda: document._at_work)
        os.kill(process, signal.SIGKILL)
        assert drawn.result(60).image.size == (150, 300)


def test_what_is_left_of_an_answer_does_not_reach_the_next_document() -> None:
    processes = PdfProcesses(30.0, 1_000_000_000, 1)
    request = {"ask": "open", "max_pages": 1}
    no_bytes: Any = "no bytes"
    with processes.borrow(1) as process, pytest.raises(TypeError):
        process.ask(request, 1, no_bytes)
    with processes.borrow(2) as process:
        answer, _ = process.ask(request, 2, GOOD)
    assert answer["pages"] == 1


def test_a_process_that_grew_large_ends_with_its_document(started: Started) -> None:
    opener = Opener()
    document = opener.open(nested_forms_pdf(levels=5))
    document.page(1)
    [large] = started()
    document.close()
    assert not alive(large)
    assert opener.open(GOOD).page(1).image.size == (150, 300)


def test_who_draws_strangers_pdfs_does_not_see_the_callers_keys(
    monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    opener = Opener()
    opener.open(GOOD)
    [process] = started()
    assert b"sk-secret" not in Path(f"/proc/{process}/environ").read_bytes()


# The caller's main module is no file, as in a notebook.
CALLER = """
    import os, signal, sys, threading, time
    from data.hostile import deflated_paths_pdf
    from ocr_extractor.documents.opener import Opener
    from tests.model.sample_documents import pdf
    from tests.model.pdf_processes import cpu_seconds, pdf_processes
    from tests.waiting import wait_for
    opener = Opener(None, 2)
    assert opener.open(pdf()).page(1).image.size == (150, 300)
    if sys.argv[1] == "kill":
        document = opener.open(deflated_paths_pdf())
        threading.Thread(target=document.page, args=(1,)).start()
        wait_for(lambda: max(map(cpu_seconds, pdf_processes())) > 1)
    print(*pdf_processes(), flush=True)
    if sys.argv[1] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_no_process_outlives_its_caller_not_even_a_busy_one(end: str) -> None:
    caller = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CALLER), end],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'model'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
        check=False,
    )
    processes = [int(process) for process in caller.stdout.split()]
    assert processes
    assert caller.returncode == {"exit": 0, "kill": -9}[end]
    wait_for(lambda: not any(map(alive, processes)))


PEAK = """
    import json, sys
    from pathlib import Path
    import mlflow.pyfunc
    from data.hostile import HOSTILE_DOCUMENTS
    from ocr_extractor.documents.input_frame import InputDocument
    from tests.model.documents.test_hostile_documents import reader
    def status(key):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])
    names = sys.argv[1:]
    documents = [InputDocument(name, HOSTILE_DOCUMENTS[name]()) for name in names]
    shared = reader()
    shared.read_all([], "")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = status("VmRSS")
    with mlflow.tracing.context(enabled=False):
        codes = [each.error_code for each in shared.read_all(documents, "")]
    print(json.dumps([codes, before, status("VmHWM"), status("VmRSS")]))
"""
IMAGES = ["deep_grey.png", "transparent.png", "noisy.png", "float.tiff"]


@pytest.mark.parametrize(
    ("names", "most"),
    [*(([name], 600e6) for name in IMAGES), ((IMAGES * 3)[:8], 1500e6)],
    ids=[*IMAGES, "eight at once"],
)
def test_large_images_take_a_bounded_amount_of_memory_and_give_it_back(
    names: list[str], most: float
) -> None:
    caller = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PEAK), *names],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'model'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
        check=True,
    )
    codes, before, peak, after = json.loads(caller.stdout)
    assert codes == [None] * len(names)
    assert peak < most
    assert after - before < 100e6
