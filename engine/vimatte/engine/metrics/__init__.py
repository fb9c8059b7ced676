"""How good a matte is: one metric a file."""
