"""Draws receipts, invoices, orders and broadcast orders: words, boxes and true fields, no OCR."""
