"""What all commands share: flags, reporting, names of runs."""
