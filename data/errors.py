"""The errors that reading annotated forms raises.

DatasetError         a dataset is missing, damaged or not in FUNSD layout
└── DownloadError    an archive cannot be fetched, or is not the one expected
"""

from __future__ import annotations


class DatasetError(Exception):
    """A dataset is missing, damaged or not in FUNSD layout; the message says what to do."""


class DownloadError(DatasetError):
    """An archive cannot be fetched, or is not the one expected."""
