"""The local engine: OCR and layout rules, no key, no network."""

from ocr_extractor.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
