"""Gives memory that is free back to the system; where the C library is not glibc, does nothing."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Give back what is free in glibc's pools."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
