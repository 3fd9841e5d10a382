"""Words to pairs by learned stages: cut lines, label and link pieces, rank what could be pairs."""
