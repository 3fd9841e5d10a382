"""What compare, promote, rollback and main share: candidates, evidence, the gate, the history."""
