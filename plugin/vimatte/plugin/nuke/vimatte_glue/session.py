"""The engine of this Nuke and what it is doing: one process, started when first needed, kept until Nuke ends."""

from __future__ import annotations

import threading
import traceback
from typing import Any

import nuke

from ...bridge import Engine, EngineError, find_engine  # noqa: TID252 - the package has another name inside Nuke
from .errors import UserError
from .work import Outcome, Progress, Work, follow

__all__ = ["Session", "current"]


class _Bar:
    """Nuke's own progress bar, with its Cancel button; it is shown as long as this lives."""

    def __init__(self, title: str) -> None:
        self._task = nuke.ProgressTask(title)

    def show(self, line: str, fraction: float) -> None:
        self._task.setMessage(line)
        # A task at 100 counts as over, and there may be another phase.
        self._task.setProgress(min(99, int(100 * fraction)))

    def cancelled(self) -> bool:
        return bool(self._task.isCancelled())


class _Lines:
    """Progress without a window: a line in the terminal for each tenth."""

    def __init__(self) -> None:
        self._tenth = -1

    def show(self, line: str, fraction: float) -> None:
        if int(10 * fraction) != self._tenth:
            self._tenth = int(10 * fraction)
            nuke.tprint(line)

    def cancelled(self) -> bool:
        return False


class Session:
    """Everything that is not saved with the script."""

    def __init__(self) -> None:
        self.work: Work | None = None
        """What is being done."""
        self._engine: Engine | None = None
        self._place: tuple[str, ...] = ()
        self._stop = threading.Event()

    def start(self, work: Work) -> None:
        """Begin; with a window it goes on on a thread of its own and this returns at once, else when it is over.

        Raises UserError when something runs already, EngineError when there is no engine.
        """
        if self.work is not None:
            raise UserError(f"{self.work.title} still runs; wait for it, or press Cancel in its progress bar.")
        engine = self._ready(work.engine)
        self.work, self._stop = work, threading.Event()
        if not nuke.GUI:
            self._over(work, self._follow(engine, work, _Lines()))
            return
        nuke.addOnScriptClose(self.forget)
        threading.Thread(target=self._run, args=(engine, work), name="vimatte", daemon=True).start()

    def cancel(self) -> None:
        """Ask what runs to stop."""
        self._stop.set()

    def forget(self) -> None:
        """Another script comes: what runs was for the one that goes, and so is the engine it runs in."""
        if self.work is not None:
            self._stop.set()
            self.work = self._engine = None

    def _ready(self, preferred: str) -> Engine:
        if self._engine is not None and self._engine.alive and not preferred:
            return self._engine
        location = find_engine(preferred)
        if self._engine is None or not self._engine.alive or location.command != self._place:
            if self._engine is not None:
                self._engine.stop()
            nuke.tprint(f"vimatte: starting the engine {location.command[0]} (from {location.origin})")
            self._engine, self._place = Engine(location.command), location.command
            self._engine.start()
        return self._engine

    def _run(self, engine: Engine, work: Work) -> None:
        bar = _Bar(work.title)
        outcome = self._follow(engine, work, bar)
        del bar
        if self._engine is not engine:
            engine.stop()
        nuke.executeInMainThread(self._over, (work, outcome))

    def _follow(self, engine: Engine, work: Work, progress: Progress) -> Outcome:
        try:
            return follow(engine, work, progress=progress, stop=self._stop)
        except EngineError as error:
            return Outcome(state="failed", message=str(error))
        except Exception as error:
            # A fault of the plug-in: the text in the terminal, and Nuke goes on.
            nuke.tprint(traceback.format_exc())
            return Outcome(
                state="failed", message=f"Something unforeseen went wrong ({type(error).__name__}: {error})."
            )
        finally:
            while engine.log:
                nuke.tprint(f"vimatte: {engine.log.popleft()}")

    def _over(self, work: Work, outcome: Outcome) -> Any:
        if self.work is work:
            self.work = None
            work.finish(outcome)


current = Session()
