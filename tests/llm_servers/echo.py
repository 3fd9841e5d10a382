"""An OpenAI-compatible server, a process of its own, that answers at once with the page's size."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug import Request, Response

from entry_points import ROOT
from tests.llm_servers.completions import as_json, completion
from tests.llm_servers.server import LlmServer

# Of a PNG, up to width and height: 24 bytes.
_HEADER_BASE64 = 32
_PNG = b"data:image/png;base64,"


class EchoLlm(LlmServer):
    """Keeps nothing, and reads no more of a request than it needs."""

    def reply_to(self, request: Request) -> Response:
        body = request.get_data()
        start = body.index(_PNG) + len(_PNG)
        header = base64.b64decode(body[start : start + _HEADER_BASE64])
        width, height = struct.unpack(">II", header[16:24])
        pairs = [{"question": "size", "answer": f"{width} x {height}"}]
        return as_json(completion(json.dumps({"pairs": pairs})))


@contextmanager
def echo_process() -> Iterator[str]:
    """Run the server in a process of its own; yield its base URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.llm_servers.echo"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


def main() -> None:
    """Print the URL and serve until stdin ends, as it does with whoever started this process."""
    with EchoLlm() as llm:
        print(llm.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
