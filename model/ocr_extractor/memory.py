"""What glibc does with memory; where the C library is another, nothing."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8  # of glibc's malloc.h


def share_pools() -> None:
    """Let all threads of the process allocate from two pools.

    By default each thread has a pool of its own and gives little of what a page took back: 24 FUNSD
    pages on 2 cores took 1032 MB, with two pools for all 794; 2,000 pages through an LLM left 46 MB
    more than 100, with two pools 30. For whoever starts threads that read pages.
    """
    if libc := _glibc("mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Give what is free in the pools back to the system."""
    if libc := _glibc("malloc_trim"):
        libc.malloc_trim(0)


def _glibc(function: str) -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, function) else None
