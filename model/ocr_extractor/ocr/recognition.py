"""Pixels to words: RapidOCR with PP-OCRv6, small from its wheel or tiny from a folder."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import cached_property
from math import atan2, degrees, hypot
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from ocr_extractor.errors import EngineError
from ocr_extractor.ocr.orientation import Lie, box_within
from ocr_extractor.ocr.words import Word, part_glued_words, union
from ocr_extractor.runtime.cancellation import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from PIL import Image

    from ocr_extractor.contract import Box

_THREADS_PER_PAGE = 4
_LINES_PER_BATCH = 1
"""Lines of a batch are padded to the widest one. Alone, a line reads the same whatever else is on
the page, and peak memory over 45 FUNSD pages was 538 MB, against 746 MB with RapidOCR's six.

RapidOCR pads shorter lines to 320 px at a height of 48. Padding them to 160 takes 14 % less CPU a
page, but on FUNSD's training forms `pair_f1` falls from 0.573 to 0.570, and from 0.614 to 0.605 with
weights trained on them."""

_MAX_SIDE = 2000
"""px; RapidOCR reads a larger page at this size. An A4 page stays at 170 dpi, and memory and
time have an upper bound."""

_TALL = 1.5
"""Ratio of height to width from which RapidOCR treats a text line as vertical."""

_LONG = 5.0
"""Ratio of width to height from which a text line shows the skew of the page."""

_LEGIBLE = 0.5
"""RapidOCR's own limit for its score of a line."""

_UPSIDE_DOWN = 0.8
"""Mean score of RapidOCR below which a page may be upside down: the lowest of FUNSD's training
pages is 0.93, the highest of three pages turned by 180 degrees was 0.66."""

_MIN_SKEW = 1.0
"""Degrees; a smaller skew is not corrected."""


@dataclass(frozen=True)
class OcrPage:
    """What the OCR read on a page.

    Attributes:
        words: Line by line, boxes in px of `image`; none for a blank page.
        image: The upright page.
        lie: Orientation of the given page; `lie.give_back` maps pairs to it.
    """

    words: list[Word]
    image: Image.Image
    lie: Lie

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
        return found | {"quarter_turns": self.lie.quarters, "skew_degrees": self.lie.skew}


class WordReader:
    """Reads the words of pages in any orientation; safe to share between threads.

    A page that is read alone takes several cores. Pages side by side take one each, which gives the
    same words with less CPU, 70 s for 24 FUNSD pages on 2 cores against 121: onnxruntime's threads
    spin while they wait for each other. The pages of all callers queue for as many threads as there
    are cores, because each takes memory of its own.
    """

    def __init__(self, tiny: Path | None = None) -> None:
        """Load the networks.

        Args:
            tiny: Folder of PP-OCRv6 tiny (`det.onnx`, `rec.onnx`, `characters.txt`); None reads
                with PP-OCRv6 small.
        """
        import rapidocr

        cores = usable_cores()
        models = _models(tiny, Path(rapidocr.__file__).parent / "models")
        self._alone, self._side_by_side = (
            rapidocr.RapidOCR(params=models | _settings(threads))
            for threads in (min(cores, _THREADS_PER_PAGE), 1)
        )
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
        return list(self._threads.submit(self._recognise, image).result().words(Lie(image.size)))

    def printed(self, image: Image.Image, words: Iterable[tuple[str, Box, int]]) -> OcrPage:
        """Return an upright page whose words are known without OCR: text, box in px and line."""
        return OcrPage([Word(*word) for word in words], image, Lie(image.size))

    def read_upright(self, image: Image.Image) -> OcrPage:
        """Read an "RGB" or "L" page in any orientation; return the words of the upright page.

        A page whose text is sideways or upside down is turned and read again; one that is skewed by
        a few degrees is read as it is, and its words are put on level lines.

        Raises:
            EngineError: With code `ocr_failed`: the page is too narrow to be scaled, or the
                OCR model fails on it.
        """
        return self._threads.submit(copy_context().run, self._read_upright, image).result()

    def _read_upright(self, image: Image.Image) -> OcrPage:
        check()
        lines, quarters = self._recognise(image), 0
        if turned := lines.quarters_to_upright:
            again = self._recognise(Lie(image.size, turned).turn(image))
            if not again.quarters_to_upright or again.score > lines.score:
                lines, quarters = again, turned
        lie = Lie(image.size, quarters, lines.skew if abs(lines.skew) >= _MIN_SKEW else 0.0)
        return OcrPage(list(lines.words(lie)), lie.straighten(image), lie)

    def _recognise(self, image: Image.Image) -> _Lines:
        import numpy as np
        from rapidocr.inference_engine.onnxruntime import ONNXRuntimeError
        from rapidocr.utils.process_img import ResizeImgError

        try:
            with self._networks() as recognise:
                output = recognise(image)
        except (ONNXRuntimeError, ResizeImgError) as error:
            width, height = image.size
            message = f"The OCR cannot read this page of {width} x {height} px; rescan or resize it"
            raise EngineError("ocr_failed", message) from error
        if output.txts is None:
            return _Lines(())
        return _Lines(
            tuple(
                _Line(
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
    def _networks(self) -> Iterator[Callable[[Image.Image], Any]]:
        """Yield the networks with the number of threads for the pages that are being read."""
        with self._lock:
            self._reading += 1
            networks = self._alone if self._reading == 1 else self._side_by_side
        try:
            # RapidOCR's annotations do not say what it returns with the settings below.
            yield networks
        finally:
            with self._lock:
                self._reading -= 1


def usable_cores() -> int:
    """Return how many cores to use: OMP_NUM_THREADS, which Spark sets, else all.

    Its first number counts; the others are for nested loops.
    """
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(1, int(said)) if said.isdecimal() else os.cpu_count() or 1


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


def _settings(threads: int) -> dict[str, Any]:
    """Return RapidOCR's other parameters."""
    return {
        "Global.use_cls": False,
        "Global.return_word_box": True,
        "Global.return_single_char_box": True,
        "Global.max_side_len": _MAX_SIDE,
        "Global.text_score": 0.0,  # illegible lines show the orientation of the page
        "Global.log_level": "error",
        "Rec.rec_batch_num": _LINES_PER_BATCH,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
    }


@dataclass(frozen=True, eq=False)
class _Line:
    """A text line.

    Attributes:
        text: What it says.
        score: How sure RapidOCR is, [0, 1].
        corners: (4, 2) px, clockwise from the top left one.
        characters: The corners of its characters without the spaces, (n, 4, 2) px.
        scores: How sure RapidOCR is of each of these characters, [0, 1].
    """

    text: str
    score: float
    corners: np.ndarray[Any, np.dtype[np.float64]]
    characters: np.ndarray[Any, np.dtype[np.float64]]
    scores: list[float]

    @cached_property
    def proportion(self) -> float:
        """Width to height."""
        width, height = (hypot(*(self.corners[at] - self.corners[0])) for at in (1, 3))
        return width / max(height, 1.0)

    @cached_property
    def fall(self) -> float:
        """By how much the line falls to the right, degrees."""
        across, down = self.corners[1] - self.corners[0]
        return degrees(atan2(down, across))


@dataclass(frozen=True)
class _Lines:
    """The text lines of a page as it was given to RapidOCR."""

    lines: tuple[_Line, ...]

    @property
    def score(self) -> float:
        """RapidOCR's mean score a character, 0 for a blank page."""
        if not self.lines:
            return 0.0
        return fmean([each.score for each in self.lines], [len(each.text) for each in self.lines])

    @property
    def quarters_to_upright(self) -> int:
        """Quarter turns counterclockwise that the page probably needs, 0 to 3.

        RapidOCR turns tall lines by one before it reads them: what it reads well then, needs it.
        """
        tall = sum(len(each.text) * (each.proportion <= 1 / _TALL) for each in self.lines)
        on_its_side = 2 * tall > sum(len(each.text) for each in self.lines)
        if self.score >= _UPSIDE_DOWN or not self.lines:
            return int(on_its_side)
        return 3 if on_its_side else 2

    @property
    def skew(self) -> float:
        """By how much the long lines fall, degrees; their weighted median, 0 where there is none.

        The weights are the widths: the wider, the finer is the angle.
        """
        long = sorted(
            (each.fall, each.proportion) for each in self.lines if each.proportion >= _LONG
        )
        half = sum(weight for _, weight in long) / 2
        for fall, weight in long:
            half -= weight
            if half <= 0:
                return fall
        return 0.0

    def words(self, lie: Lie) -> Iterator[Word]:
        """Yield the words of the legible lines with their boxes on the upright page.

        RapidOCR's own words fall apart into characters when a line holds a single Chinese one, as a
        misread checkbox often is; the line's text and its character boxes always agree.
        """
        legible = (line for line in self.lines if line.score >= _LEGIBLE)
        for number, line in enumerate(legible):
            boxes = [
                box_within(corners, lie.upright_size) for corners in lie.level(line.characters)
            ]
            end = 0
            for text in part_glued_words(line.text, boxes).split():
                start, end = end, end + len(text)
                score = min(line.scores[start:end])
                yield Word(text, union(boxes[start:end]), number, score=score)
