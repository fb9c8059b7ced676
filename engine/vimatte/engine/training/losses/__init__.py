"""Losses, one idea a file; those of each system are put together in the file named after it."""
