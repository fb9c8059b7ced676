"""Finding and following people: one backend a file."""
