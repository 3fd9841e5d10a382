"""The review file of `label`, and what is done with the reviewed pairs."""
