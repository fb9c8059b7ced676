"""Published test sets: their folders, their protocols and the figures in their papers."""

from __future__ import annotations

from vimatte.engine.metrics.benchmarks.run import BENCHMARKS, run_benchmark
from vimatte.engine.metrics.benchmarks.score import BenchmarkScore

__all__ = ["BENCHMARKS", "BenchmarkScore", "run_benchmark"]
