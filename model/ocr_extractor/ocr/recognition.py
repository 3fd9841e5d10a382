"""Pixels to words: RapidOCR with PP-OCRv6, small from its wheel or tiny from a folder."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from ocr_extractor.errors import EngineError
from ocr_extractor.ocr.orientation import Orientation
from ocr_extractor.ocr.photograph import find_sheet
from ocr_extractor.ocr.text_lines import TextLine, TextLines
from ocr_extractor.ocr.words import Word
from ocr_extractor.runtime.cancellation import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from PIL import Image

    from ocr_extractor.contract import Box

_THREADS_PER_PAGE = 4
_LINES_PER_BATCH = 1
"""Lines of a batch are padded to the widest one. Alone, a line reads the same whatever else is on
the page, and peak memory over 45 FUNSD pages was 538 MB, against 746 MB with RapidOCR's six.

RapidOCR pads shorter lines to 320 px at a height of 48. Padding them to 160 takes 14 % less CPU a
page, but on FUNSD's training forms `pair_f1` falls from 0.573 to 0.570, and with weights trained on
them from 0.614 to 0.605."""

_MAX_SIDE = 2000
"""px; RapidOCR reads a larger page at this size. An A4 page stays at 170 dpi, and memory and
time have an upper bound."""

_SMALL_SIDE = 1100
"""px; on pages up to this size, boxes are not widened by RapidOCR's dilation. It makes those of
small print 3 px taller; its letters are then read at a smaller size, and misread more often."""

_MIN_SKEW = 1.0
"""Degrees; a smaller skew is not corrected."""


@dataclass(frozen=True)
class OcrPage:
    """What the OCR read on a page.

    Attributes:
        words: Line by line, boxes in px of `image`; none for a blank page.
        image: The upright page.
        orientation: That of the given page; it maps boxes and pairs to it.
    """

    words: list[Word]
    image: Image.Image
    orientation: Orientation

    def figures(self) -> dict[str, float]:
        """Return numbers for the page's trace, which say nothing of its text.

        Returns:
            How many `words`; the median `word_height_px`; `word_score`, the mean of the words'
            scores, [0, 1]; `text_area`, the share of the page that their boxes cover, [0, 1]; and
            the page's `quarter_turns` and `skew_degrees`.
        """
        found: dict[str, float] = {"words": len(self.words)}
        if self.words:
            sizes = [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (word.box for word in self.words)]
            area = sum(width * height for width, height in sizes)
            found["word_height_px"] = median(height for _, height in sizes)
            found["word_score"] = round(fmean(word.score for word in self.words), 4)
            found["text_area"] = round(area / (self.image.width * self.image.height), 4)
        turned = self.orientation
        return found | {"quarter_turns": turned.quarters, "skew_degrees": turned.skew}


class WordReader:
    """Reads the words of pages in any orientation; safe to share between threads.

    A page that is read alone takes several cores: its text is found on all of them, then a line is
    read on each. Pages side by side take one each, because onnxruntime's threads spin while they
    wait for each other. The pages of all callers queue for as many threads as there are cores,
    because each takes memory of its own.
    """

    def __init__(self, tiny: Path | None = None) -> None:
        """Load the networks.

        Args:
            tiny: Folder of PP-OCRv6 tiny (`det.onnx`, `rec.onnx`, `characters.txt`); None reads
                with PP-OCRv6 small.
        """
        import rapidocr

        cores = usable_cores()
        threads = min(cores, _THREADS_PER_PAGE)
        models = _models(tiny, Path(rapidocr.__file__).parent / "models")

        def networks(count: int, *, is_small: bool) -> Any:
            # Its annotations do not say that networks are loaded when they are used, or given.
            return rapidocr.RapidOCR(params=models | _settings(count, is_small=is_small))

        recogniser = networks(1, is_small=False)
        self._alone = [networks(threads, is_small=is_small) for is_small in (False, True)]
        self._side_by_side = [recogniser, networks(1, is_small=True)]
        lines = _LinesSideBySide(recogniser.recognize_txt, threads)
        self._alone[False].text_rec = self._alone[True].text_rec = lines
        self._side_by_side[True].text_rec = _LinesSideBySide(recogniser.recognize_txt, 1)
        self._threads = ThreadPoolExecutor(max_workers=cores, thread_name_prefix="ocr")
        self._lock = threading.Lock()
        self._reading = 0

    def read(self, image: Image.Image) -> list[Word]:
        """Read an upright page whose boxes must match other boxes, such as those of an annotation.

        Args:
            image: The page, mode "RGB" or "L".

        Returns:
            Its words line by line, boxes in px of `image`; none for a blank page.

        Raises:
            EngineError: As for `read_upright`.
        """
        lines = self._threads.submit(self._recognise, image).result()
        return list(lines.words(Orientation(image.size)))

    def printed(self, image: Image.Image, words: Iterable[tuple[str, Box, int]]) -> OcrPage:
        """Return an upright page whose words are known without OCR: text, box in px and line."""
        return OcrPage([Word(*word) for word in words], image, Orientation(image.size))

    def read_upright(self, image: Image.Image) -> OcrPage:
        """Read an "RGB" or "L" page in any orientation; return the words of the upright page.

        A page whose text is sideways or upside down is turned and read again; one that is skewed by
        a few degrees is read as it is, and its words are put on level lines. Of a photograph, the
        flat sheet is read.

        Raises:
            EngineError: With code `ocr_failed`: the page is too narrow to be scaled, or the
                OCR model fails on it.
        """
        return self._threads.submit(copy_context().run, self._read_upright, image).result()

    def _read_upright(self, image: Image.Image) -> OcrPage:
        check()
        sheet = find_sheet(image, _MAX_SIDE)
        flat = image if sheet is None else sheet.flatten(image)
        lines, quarters = self._recognise(flat), 0
        if turned := lines.quarters_to_upright:
            again = self._recognise(Orientation(flat.size, turned).turn(flat))
            if not again.quarters_to_upright or again.score > lines.score:
                lines, quarters = again, turned
        skew = lines.skew if abs(lines.skew) >= _MIN_SKEW else 0.0
        found = Orientation(flat.size, quarters, skew, sheet)
        return OcrPage(list(lines.words(found)), found.straighten(flat), found)

    def _recognise(self, image: Image.Image) -> TextLines:
        import numpy as np
        from rapidocr.inference_engine.onnxruntime import ONNXRuntimeError
        from rapidocr.utils.process_img import ResizeImgError

        try:
            with self._networks() as networks:
                output = networks[max(image.size) <= _SMALL_SIDE](image)
        except (ONNXRuntimeError, ResizeImgError) as error:
            width, height = image.size
            message = f"The OCR cannot read this page of {width} x {height} px; rescan or resize it"
            raise EngineError("ocr_failed", message) from error
        if output.txts is None:
            return TextLines(())
        return TextLines(
            tuple(
                TextLine(
                    text,
                    score,
                    np.asarray(quad),
                    np.array([each[2] for each in characters]),
                    [float(each[1]) for each in characters],
                )
                for text, score, quad, characters in zip(
                    output.txts, output.scores, output.boxes, output.word_results, strict=True
                )
            )
        )

    @contextlib.contextmanager
    def _networks(self) -> Iterator[list[Any]]:
        """Yield the networks of large and of small pages, with threads for what is being read."""
        with self._lock:
            self._reading += 1
            networks = self._alone if self._reading == 1 else self._side_by_side
        try:
            yield networks
        finally:
            with self._lock:
                self._reading -= 1


class _LinesSideBySide:
    """RapidOCR's recogniser of lines, on several cores: the lines of a page, in as many threads.

    A line's network on 2 threads takes 8 to 17 % more CPU a page, and 4 to 14 % more time; on a
    busy machine, where its threads wait for each other, it takes twice the CPU.
    """

    def __init__(self, recognise: Callable[[list[Any]], Any], threads: int) -> None:
        self._recognise = recognise
        self._count = threads
        self._others = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="ocr-lines")

    def __call__(self, lines: Any) -> Any:
        """Read the lines of a `TextRecInput`; return their `TextRecOutput`."""
        by_width = sorted(lines.img, key=lambda line: line.shape[0] / line.shape[1])
        parts = [part for at in range(self._count) if (part := by_width[at :: self._count])]
        others = [self._others.submit(self._recognise, part) for part in parts[1:]]
        outputs = [self._recognise(parts[0]), *(other.result() for other in others)]
        read = {
            id(line): result
            for part, output in zip(parts, outputs, strict=True)
            for line, *result in zip(
                part, output.txts, output.scores, output.word_results, strict=True
            )
        }
        texts, scores, words = zip(*(read[id(line)] for line in lines.img), strict=True)
        return replace(outputs[0], imgs=lines.img, txts=texts, scores=scores, word_results=words)


def usable_cores() -> int:
    """Return how many cores to use: OMP_NUM_THREADS, which Spark sets, else all that are allowed.

    Its first number counts; the others are for nested loops.
    """
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if said.isdecimal():
        return max(1, int(said))
    if sys.platform == "linux":  # a container may allow a few of the machine's cores
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _models(tiny: Path | None, of_wheel: Path) -> dict[str, str]:
    """Return RapidOCR's parameters that name files: they keep it from ever downloading one."""
    if tiny is not None:
        return {
            "Det.model_path": str(tiny / "det.onnx"),
            "Rec.model_path": str(tiny / "rec.onnx"),
            "Rec.rec_keys_path": str(tiny / "characters.txt"),
        }
    return {
        "Det.model_path": str(of_wheel / "PP-OCRv6_det_small.onnx"),
        "Rec.model_path": str(of_wheel / "PP-OCRv6_rec_small.onnx"),
    }


def _settings(threads: int, *, is_small: bool) -> dict[str, Any]:
    """Return RapidOCR's other parameters; pages are small up to _SMALL_SIDE."""
    return {
        "Global.use_cls": False,
        "Global.return_word_box": True,
        "Global.return_single_char_box": True,
        "Global.max_side_len": _MAX_SIDE,
        "Global.text_score": 0.0,  # illegible lines show the orientation of the page
        "Global.log_level": "error",
        "Det.use_dilation": not is_small,
        "Rec.rec_batch_num": _LINES_PER_BATCH,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
    }
