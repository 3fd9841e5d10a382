"""What every call needs around it: traces, cancellation, memory."""
