"""What monitor is made of: documents out of traces, their comparison, and what becomes of it."""
