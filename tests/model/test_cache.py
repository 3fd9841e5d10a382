"""The cache of completions: kept across processes, bounded, never a reason to fail."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from entry_points import ROOT
from ocr_extractor.cache import CompletionCache, cache_key

PAGE = Image.effect_noise((40, 30), 50)


def test_what_is_put_is_found_again_by_another_process(tmp_path: Path):
    path = tmp_path / "new" / "cache.sqlite"
    cache = CompletionCache(path, 1000)
    assert cache.get("a") is None
    cache.put("a", "answer \ud800 ä")
    assert CompletionCache(path, 1000).get("a") == "answer \ud800 ä"


def test_the_least_recently_used_completions_make_room(tmp_path: Path):
    cache = CompletionCache(tmp_path / "cache.sqlite", 1000)
    for name in "abcdefghi":
        cache.put(name, name * 100)
    assert cache.get("a") == "a" * 100
    cache.put("j", "j" * 100)
    cache.put("k", "k" * 100)
    assert cache.get("a") == "a" * 100
    assert cache.get("b") is None
    assert cache.get("k") == "k" * 100
    cache.put("large", "x" * 1001)
    assert cache.get("large") is None


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_set_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
):
    path = tmp_path / "cache.sqlite"
    path.write_bytes(content)
    cache = CompletionCache(path, 1000)
    with caplog.at_level(logging.WARNING):
        assert cache.get("a") is None
    assert "is damaged" in caplog.text
    [aside] = tmp_path.glob("cache.sqlite.damaged-*")
    assert aside.read_bytes() == content
    cache.put("a", "answer")
    assert cache.get("a") == "answer"


def test_a_file_that_is_damaged_while_it_is_used_is_set_aside(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    first = CompletionCache(path, 10**6)
    for number in range(200):
        first.put(str(number), "x" * 500)
    del first
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x5a" * (len(data) - 4096)
    path.write_bytes(data)
    cache = CompletionCache(path, 10**6)
    for number in range(200):
        assert cache.get(str(number)) in {None, "x" * 500}
    cache.put("a", "answer")
    assert cache.get("a") == "answer"


def test_a_place_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    cache = CompletionCache(tmp_path, 1000)  # a folder
    cache.put("a", "answer")
    assert cache.get("a") is None
    assert "cannot be used" in caplog.text


WRITER = """
import sys
from ocr_extractor.cache import CompletionCache
from pathlib import Path
cache = CompletionCache(Path(sys.argv[1]), 10**7)
for number in range(100):
    cache.put(f"{sys.argv[2]}-{number}", "x" * 100)
    assert cache.get(f"{sys.argv[2]}-{number}") == "x" * 100
"""


def test_processes_and_threads_share_one_file(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    environment = {"PYTHONPATH": str(ROOT / "model"), "PYTHONWARNINGS": "error"}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)], env=environment)
        for n in range(3)
    ]
    cache = CompletionCache(path, 10**7)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: cache.put(f"t-{number}", "y"), range(100)))
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert all(cache.get(f"{n}-{number}") for n in range(3) for number in range(100))
    assert all(cache.get(f"t-{number}") == "y" for number in range(100))


def test_a_key_stands_for_pixels_and_settings():
    other = PAGE.copy()
    other.putpixel((0, 0), (other.getpixel((0, 0)) + 1) % 256)  # type: ignore[operator]
    keys = [
        cache_key(PAGE, {"llm": "a", "seed": 1}),
        cache_key(PAGE, {"llm": "b", "seed": 1}),
        cache_key(PAGE, {"llm": "a", "seed": None}),
        cache_key(other, {"llm": "a", "seed": 1}),
        cache_key(PAGE.convert("RGB"), {"llm": "a", "seed": 1}),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == cache_key(PAGE.copy(), {"seed": 1, "llm": "a"})
