"""The local engine: OCR and layout rules, no key, no network."""
