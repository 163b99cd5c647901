"""Cost books out of recorded quotes, and their files."""
