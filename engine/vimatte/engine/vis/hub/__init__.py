"""What every people finder of the transformers library shares: weights, pictures in, masks out, people over a shot."""

from __future__ import annotations

__all__: list[str] = []
