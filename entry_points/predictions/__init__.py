"""What predict is made of: the documents it finds, the file it writes, what it counts."""
