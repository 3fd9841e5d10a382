"""Pixels to words: RapidOCR with the PP-OCRv6 weights that come in its wheel."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_extractor.engines.local.words import Word, union
from ocr_extractor.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from ocr_extractor.contract import Box

_DETECTOR = "PP-OCRv6_det_small.onnx"
_RECOGNISER = "PP-OCRv6_rec_small.onnx"
_THREADS_PER_PAGE = 4
_LINES_PER_BATCH = 1
"""Lines of a batch are padded to the widest one. Alone, a line reads the same whatever else is on
the page, and peak memory over 45 FUNSD pages was 538 MB, against 746 MB with RapidOCR's six."""

_MAX_SIDE = 2000
"""px; RapidOCR reads a larger page at this size. An A4 page stays at 170 dpi, and memory and
time have an upper bound."""


class WordReader:
    """Reads the words of upright pages; safe to share between threads.

    RapidOCR itself gives the same words from any number of threads, but each calling thread
    keeps its own memory pool: 4 callers took 971 MB on a 2-core machine, and 493 MB when one
    thread read their pages in turn. So the pages of all callers queue for a few threads.
    """

    def __init__(self) -> None:
        import rapidocr

        cores = os.cpu_count() or 1
        models = Path(rapidocr.__file__).parent / "models"
        settings = _settings(models, threads=min(cores, _THREADS_PER_PAGE))
        self._ocr = rapidocr.RapidOCR(params=settings)
        self._threads = ThreadPoolExecutor(
            max_workers=max(1, cores // _THREADS_PER_PAGE), thread_name_prefix="ocr"
        )

    def read(self, image: Image.Image) -> list[Word]:
        """Read one page.

        Args:
            image: The upright page, mode "RGB" or "L".

        Returns:
            Its words line by line, boxes in px of `image`; none for a blank page.

        Raises:
            EngineError: With code `ocr_failed`: the page is too narrow to be scaled, or the
                OCR model fails on it.
        """
        return self._threads.submit(self._read, image).result()

    def _read(self, image: Image.Image) -> list[Word]:
        from rapidocr.inference_engine.onnxruntime import ONNXRuntimeError
        from rapidocr.utils.process_img import ResizeImgError

        try:
            # RapidOCR's annotations do not say what it returns with the settings below.
            output: Any = self._ocr(image)
        except (ONNXRuntimeError, ResizeImgError) as error:
            width, height = image.size
            message = f"The OCR cannot read this page of {width} x {height} px; rescan or resize it"
            raise EngineError("ocr_failed", message) from error
        if output.txts is None:
            return []
        lines = enumerate(zip(output.txts, output.word_results, strict=True))
        return [
            word
            for number, (text, characters) in lines
            for word in _words_of_line(number, text, [box for _, _, box in characters], image.size)
        ]


def _settings(models: Path, threads: int) -> dict[str, Any]:
    """Return RapidOCR's parameters; explicit model paths keep it from ever downloading one."""
    return {
        "Global.use_cls": False,
        "Global.return_word_box": True,
        "Global.return_single_char_box": True,
        "Global.max_side_len": _MAX_SIDE,
        "Global.log_level": "error",
        "Det.model_path": str(models / _DETECTOR),
        "Rec.model_path": str(models / _RECOGNISER),
        "Rec.rec_batch_num": _LINES_PER_BATCH,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
    }


def _words_of_line(
    line: int, text: str, quads: list[list[list[float]]], size: tuple[int, int]
) -> Iterator[Word]:
    """Yield the words of one text line from the boxes of its characters.

    RapidOCR's own words fall apart into characters when a line holds a single Chinese one, as a
    misread checkbox often is; the line's text and its character boxes always agree.
    """
    boxes = iter(quads)
    for word in text.split():
        yield Word(word, union(_upright(next(boxes), size) for _ in word), line)


def _upright(quad: list[list[float]], size: tuple[int, int]) -> Box:
    """Return the box around four corners, within the page and at least 1 px wide and high."""
    (x0, x1), (y0, y1) = (
        _within(min(ends), max(ends), limit)
        for ends, limit in zip(zip(*quad, strict=True), size, strict=True)
    )
    return x0, y0, x1, y1


def _within(start: float, end: float, limit: int) -> tuple[int, int]:
    first = min(max(round(start), 0), limit - 1)
    return first, max(min(round(end), limit), first + 1)
