"""Turning tracked masks into soft alphas: one model a folder."""
