"""A process of somebody else's is after loading and predicting what it was before."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest

from tests.entry_points.conftest import Done, Project

# What other libraries do when they are imported is not the model's: a first process says which.
IMPORTS = """
import sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
model.predict(pd.DataFrame({"image": [open(sys.argv[2], "rb").read()]}))
model.unwrap_python_model().flush_traces(60)
names = [name for name in sys.modules if not name.startswith(("ocr_extractor", "code_model", "__"))]
open(sys.argv[3], "w").write("\\n".join(names))
"""

COMPARES = """
import atexit, contextlib, ctypes, importlib, logging, os, signal, sys, threading, warnings
import mlflow, openai, pandas as pd
for name in open(sys.argv[3]).read().split():
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

at_exit, register = [], atexit.register
def register_and_note(function, *args, **named):
    at_exit.append(function.__qualname__)
    return register(function, *args, **named)
atexit.register = register_and_note

def state():
    libc = ctypes.CDLL(None)
    return {
        "environment": dict(os.environ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "at exit": list(at_exit),
        "openai": openai.resources.chat.completions.Completions.create,
        "warnings": list(warnings.filters),
        "pools": pools(),
        "log handlers": {name: list(getattr(logger, "handlers", [])) for name, logger
                         in [("", logging.getLogger()), *logging.root.manager.loggerDict.items()]
                         if not name.startswith(("ocr_extractor", "RapidOCR"))
                         and getattr(logger, "handlers", [])},
        "log level": logging.getLogger().level,
        "recursion": sys.getrecursionlimit(),
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
    }

def pools():
    \"\"\"Count glibc's pools after as many threads as may have one have allocated.\"\"\"
    gate = threading.Barrier(5)
    def allocate():
        gate.wait()
        kept = [bytes(50_000) for _ in range(40)]
        gate.wait()
    threads = [threading.Thread(target=allocate) for _ in range(5)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    pool = os.open("/tmp", os.O_RDWR | os.O_TMPFILE)
    libc = ctypes.CDLL(None)
    libc.fdopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.fdopen(pool, b"w"))
    libc.malloc_info(0, stream)
    libc.fflush(stream)
    return os.pread(pool, 1_000_000, 0).count(b"<heap nr=") > 1

page = open(sys.argv[2], "rb").read()
before = state()
model = mlflow.pyfunc.load_model(sys.argv[1])
row = model.predict(pd.DataFrame({"image": [page]})).iloc[0]
assert row["error_code"] is None and row["pairs"], row
after = state()
for name, was in before.items():
    if name == "at exit":
        print("at exit:", len(after[name]), after[name])
    elif after[name] != was:
        added = [each for each in after[name] if each not in was] if type(was) is list else after
        print("changed:", name, added)
"""


@pytest.mark.parametrize("engine", ["openai", "local"])
def test_loading_and_predicting_change_nothing(
    engine: str, project: Project, main_run: Done, tmp_path: Path
) -> None:
    page = str(project.dataset / "images" / "invoice-01.png")
    for words in (
        ("-m", "entry_points.log", "--engine", engine, "--model-name", f"mark-{engine}"),
        ("-c", IMPORTS, f"models:/mark-{engine}/1", page, str(tmp_path / "imports")),
        ("-c", COMPARES, f"models:/mark-{engine}/1", page, str(tmp_path / "imports")),
    ):
        done = project.run(*words, MLFLOW_TRACKING_URI=project.tracking_uri)
        assert done.returncode == 0, done.stdout
    assert "changed:" not in done.stdout, done.stdout
    # The writing of what waits, which ends by itself: see the next test.
    assert "at exit: 1 " in done.stdout, done.stdout


ENDS = """
import sys, time
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
page = open(sys.argv[2], "rb").read()
mlflow.set_tracking_uri(sys.argv[3])
rows = model.predict(pd.DataFrame({"image": [page] * 30}))
print("read:", int(rows["error_code"].isna().sum()))
print("ends at:", time.time(), flush=True)
"""

# The end waits 5 s without any trace being written; the rest is the interpreter's own end.
END_S = 5 + 30


@pytest.mark.parametrize("store", ["hangs", "is gone"])
def test_a_process_ends_soon_where_the_tracking_store(
    store: str, project: Project, main_run: Done
) -> None:
    with socket.socket() as listener:  # connections are taken, and nothing is answered
        listener.bind(("127.0.0.1", 0))
        if store == "hangs":
            listener.listen(100)
        done = project.run(
            *("-c", ENDS, "models:/ocr-extractor@champion"),
            str(project.dataset / "images" / "invoice-01.png"),
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            MLFLOW_TRACKING_URI=project.tracking_uri,
        )
        ended = time.time()
    assert done.returncode == 0, done.stdout
    assert "read: 30\n" in done.stdout
    [began] = re.findall(r"^ends at: (.*)$", done.stdout, re.MULTILINE)
    assert ended - float(began) < END_S
    assert "30 traces were not written: the tracking store has not taken them." in done.stdout
