"""The policy engine: YAML in, named SQL clauses out. No I/O, no clock, no session."""
