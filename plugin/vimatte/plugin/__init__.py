"""Glue inside host applications: standard library only."""
