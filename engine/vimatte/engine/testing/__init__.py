"""Synthetic shots with known alphas, and the contracts every backend must pass."""
