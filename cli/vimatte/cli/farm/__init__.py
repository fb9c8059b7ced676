"""Jobs written down for a render farm: the same three steps as Open Job Description or as a shell script."""

from __future__ import annotations

from vimatte.cli.farm.openjd import write_openjd
from vimatte.cli.farm.shell import write_shell
from vimatte.cli.farm.steps import FarmJob, Needs, Worker, farm_job

__all__ = ["FarmJob", "Needs", "Worker", "farm_job", "write_openjd", "write_shell"]
