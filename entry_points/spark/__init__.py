"""What predict is made of when Spark reads the documents."""
