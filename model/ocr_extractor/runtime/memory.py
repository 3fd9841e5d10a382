"""Gives free memory back to the system; does nothing if the C library is not glibc."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Give back the free memory of glibc's pools."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
