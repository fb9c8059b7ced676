"""Matting models that stay open from one task to the next."""

from __future__ import annotations

from vimatte.engine.job import MatteJob
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.pipeline.plan import open_model

__all__ = ["OpenModels"]


class OpenModels:
    """Keeps the model that was used last; another one takes its place, so that memory holds one."""

    def __init__(self) -> None:
        self._key: tuple[str, str, int] | None = None
        self._model: MattingModel | None = None

    def get(self, job: MatteJob, *, device: str) -> MattingModel:
        """Return the job's model, opened now or before. Raises BackendError when it cannot run."""
        key = (job.matting, device, job.proxy)
        if self._model is None or self._key != key:
            self._model = None
            self._model = open_model(job, device=device)
            self._key = key
        return self._model
