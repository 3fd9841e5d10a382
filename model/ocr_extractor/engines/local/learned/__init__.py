"""From words to pairs by trained models: cut lines, label and link segments, rank pairs."""
