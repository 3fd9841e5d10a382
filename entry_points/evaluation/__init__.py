"""What evaluate is made of: reading the forms, their results, and showing them."""
