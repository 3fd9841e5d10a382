"""What glibc does with memory; where the C library is another, nothing."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8  # of glibc's malloc.h


def share_pool() -> None:
    """Let all threads of the process allocate from one pool.

    By default each thread has a pool of its own and gives little of what a page took back: 24 FUNSD
    pages on 2 cores took 1032 MB, with two pools for all 794, with one 30 less still, and no more
    time. For whoever starts threads that read pages.
    """
    if libc := _glibc("mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give what is free in the pool back to the system."""
    if libc := _glibc("malloc_trim"):
        libc.malloc_trim(0)


def _glibc(function: str) -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, function) else None
