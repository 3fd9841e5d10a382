"""The cache of completions: kept across processes, bounded, never a reason to fail."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from entry_points import ROOT
from ocr_extractor.engines.openai.cache import CompletionCache, cache_key

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


def test_a_folder_that_cannot_be_made_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_bytes(b"")
    cache = CompletionCache(tmp_path / "file" / "cache\x1b[2J.sqlite", 1000)
    for _ in range(3):
        cache.put("a", "answer")
        assert cache.get("a") is None
    [record] = caplog.records
    said = record.getMessage()
    assert "cannot be used" in said
    assert "Set `cache` to a file in a folder that can be written" in said
    assert said.isprintable()


def test_a_damaged_file_that_cannot_be_moved_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    path = folder / ("y" * 240)  # with what is added to it, longer than a file's name may be
    path.write_bytes(b"no database at all" * 100)
    cache = CompletionCache(path, 1000)
    for _ in range(3):
        cache.put("a", "answer")
        assert cache.get("a") is None
    [record] = caplog.records
    assert "cannot be used" in record.getMessage()
    assert open_files(path) == 0


def open_files(path: Path) -> int:
    """Count the descriptors of this process that are open on a file, on Linux."""
    return sum(
        each.is_symlink() and each.readlink() == path for each in Path("/proc/self/fd").glob("*")
    )


FULL = """
import resource, sys
from ocr_extractor.engines.openai.cache import CompletionCache
from pathlib import Path
# Beyond it no file grows: what a full disk and a quota do.
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
cache = CompletionCache(Path(sys.argv[1]), 10**7)
for number in range(100):
    cache.put(f"new-{number}", "x" * 10_000)
print(cache.get("kept"))
"""


@pytest.mark.parametrize(
    ("limit", "found"), [(200_000, "answer"), (0, "None")], ids=["in time", "before it is opened"]
)
def test_a_disk_that_takes_nothing_more_costs_one_warning(tmp_path: Path, limit: int, found: str):
    path = tmp_path / "cache.sqlite"
    CompletionCache(path, 1000).put("kept", "answer")
    environment = {"PYTHONPATH": str(ROOT / "model"), "PYTHONWARNINGS": "error"}
    reader = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(limit)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert reader.stdout.strip() == found
    assert reader.stderr.count("cannot be used") == 1
    assert reader.stderr.count("\n") == 1


POISON = {
    "a text": "'{}'",
    "a number that asks for gigabytes": "9000000000",
    "a fraction": "1.5",
    "no UTF-8": "X'ff'",
    "more than the cache holds": "zeroblob(5000)",
    "nothing": "''",
}


@pytest.mark.parametrize("value", POISON.values(), ids=POISON.keys())
def test_an_entry_that_nobody_kept_counts_as_none_and_is_replaced(tmp_path: Path, value: str):
    path = tmp_path / "cache.sqlite"
    cache = CompletionCache(path, 1000)
    cache.put("a", "answer")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE completions SET text = {value}, size = 'large'")
        database.commit()
    assert cache.get("a") is None
    for number in range(20):
        cache.put(str(number), "x" * 100)
    cache.put("a", "answer")
    assert cache.get("a") == "answer"


def test_a_table_of_another_shape_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "cache.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE completions (key TEXT, answer TEXT)")
        database.commit()
    cache = CompletionCache(path, 1000)
    for _ in range(3):
        cache.put("a", "answer")
        assert cache.get("a") is None
    assert len(caplog.records) == 1


WRITER = """
import sys
from ocr_extractor.engines.openai.cache import CompletionCache
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
    assert [writer.wait(300) for writer in writers] == [0, 0, 0]
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
