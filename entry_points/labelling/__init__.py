"""The review file of `label`, and what happens with the reviewed pairs."""
