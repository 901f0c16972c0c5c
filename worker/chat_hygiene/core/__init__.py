"""Pure vocabulary: facts, errors, states and legal moves, decisions. No I/O, no clock."""
