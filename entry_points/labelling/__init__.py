"""What `label` and `review` share, and the review file of `label`."""
