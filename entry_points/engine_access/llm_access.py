"""Reports why the openai engine cannot use its LLM, usually because there is no key.

It runs as a process of its own: a process that loads a logged extractor must not import the working
tree's `ocr_extractor`, which knows where keys come from.
"""

from __future__ import annotations

import sys

import openai

from ocr_extractor.engines.openai.client import build_client
from ocr_extractor.errors import ConfigError


def main() -> None:
    """Take the extractor's setting `base_url`; print what is wrong, or nothing."""
    try:
        build_client(openai.DefaultHttpxClient(), base_url=sys.argv[1])
    except ConfigError as error:
        print(error)


if __name__ == "__main__":
    main()
