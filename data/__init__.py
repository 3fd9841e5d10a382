"""The ground truth: FUNSD-layout folders, their pairs, and where they come from."""
