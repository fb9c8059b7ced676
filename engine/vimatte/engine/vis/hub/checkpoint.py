"""A local folder that holds a model: checked, fingerprinted, loaded without running anybody's code."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vimatte.engine.device import inference
from vimatte.engine.errors import BackendError, ConfigError
from vimatte.engine.vis.hub.sources import HUB, INSTALL, hub_folder
from vimatte.engine.weights import file_sha256

__all__ = ["Checkpoint", "class_number", "find_checkpoint", "load_model", "on_device", "quiet", "require_transformers"]

_COUNTED = ("*.json", "*.safetensors", "*.txt", "*.model")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with config.json and *.safetensors of a known architecture."""

    folder: Path
    model_type: str
    """As in config.json: 'videomt', 'sam2_video', 'mask2former', …"""
    config: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Sha256 over the names and contents of every file that decides a result, wherever the folder lies."""
        hasher = hashlib.sha256()
        for path in sorted({p for pattern in _COUNTED for p in self.folder.glob(pattern)}):
            if path.name != "vimatte_source.json":
                hasher.update(f"{path.name}/{file_sha256(path)}/".encode())
        return hasher.hexdigest()


def require_transformers(name: str) -> None:
    """Raise BackendError where the transformers package is not installed."""
    if importlib.util.find_spec("transformers") is None:
        raise BackendError(
            f"The people finder '{name}' needs the Python package 'transformers', which is not installed; "
            f"type: {INSTALL}"
        )


def find_checkpoint(name: str, weights: str | None, *, types: Mapping[str, str]) -> Checkpoint:
    """Return the checkpoint of the people finder `name`: the folder `weights`, or what lies in the cache.

    `types` are the model types it can run. Raises BackendError saying what to type.
    """
    folder = Path(weights).expanduser() if weights is not None else hub_folder(name)
    if weights is None and not folder.is_dir():
        raise BackendError(
            f"The weights '{name}' ({HUB[name].repository}) are not in {folder}; type: vimatte weights pull {name}, "
            f"or name a local copy with --weights DIR."
        )
    if not folder.is_dir():
        raise BackendError(
            f"--weights {folder} is not a folder; give the folder that holds config.json and *.safetensors, "
            f"or type: vimatte weights pull {name}"
        )
    config = _config(folder, name)
    found = str(config.get("model_type", "unknown"))
    if found not in types:
        raise BackendError(
            f"{folder} holds a model of type '{found}', the people finder '{name}' runs {', '.join(sorted(types))}; "
            f"give another folder with --weights, or another people finder with --vis."
        )
    if not any(folder.glob("*.safetensors")):
        raise BackendError(
            f"{folder} holds no *.safetensors (pickled weights are never loaded); type: vimatte weights pull {name}, "
            f"or convert it with save_pretrained of transformers."
        )
    return Checkpoint(folder, found, config)


def _config(folder: Path, name: str) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackendError(
            f"{folder} holds no config.json, so it is no model of the transformers library; "
            f"type: vimatte weights pull {name}"
        ) from None
    except (OSError, ValueError) as error:
        raise BackendError(f"{folder / 'config.json'} cannot be read ({error}); fetch the weights again.") from error
    if not isinstance(config, dict):
        raise BackendError(f"{folder / 'config.json'} is not a table of settings; fetch the weights again.")
    return config


def load_model(checkpoint: Checkpoint, *, architecture: str, device: str) -> Any:
    """Load the class `architecture` of transformers in float32, ready to run. Raises BackendError and DeviceError."""
    with quiet():
        import transformers

        try:
            model, report = getattr(transformers, architecture).from_pretrained(
                checkpoint.folder,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
        except ImportError as error:
            package = error.name or _first_line(error)
            raise BackendError(
                f"The model in {checkpoint.folder} needs a Python package that is not installed ({package}); "
                f"install it, or take another people finder with --vis."
            ) from error
        except AttributeError as error:
            raise BackendError(
                f"transformers {transformers.__version__} has no {architecture}; type: {INSTALL} --upgrade"
            ) from error
        except Exception as error:  # what a broken folder makes this library raise is nowhere listed
            raise BackendError(
                f"The model in {checkpoint.folder} cannot be loaded as {architecture} ({_first_line(error)}); "
                f"fetch the weights again."
            ) from error
    lacking = sorted({str(k) for k in report["missing_keys"]} | {str(k) for k in report.get("mismatched_keys", ())})
    if lacking:
        raise BackendError(
            f"The weights in {checkpoint.folder} do not fit {architecture}: {len(lacking)} parameters are missing or "
            f"of another shape, '{lacking[0]}' among them; fetch the weights again."
        )
    with on_device(device):
        return model.to(torch.device(device)).eval()


def on_device(device: str) -> AbstractContextManager[None]:
    """Run without gradients; running out of memory becomes a DeviceError."""
    return inference(device, what="the people finder", instead="take smaller weights")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bars and warnings off the user's terminal."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def class_number(checkpoint: Checkpoint, label: str) -> int:
    """Place of a class among the model's labels, whatever its case. Raises ConfigError listing what it knows."""
    labels = {int(k): str(v) for k, v in dict(checkpoint.config.get("id2label") or {}).items()}
    asked = _plain(label)
    for number, known in sorted(labels.items()):
        if asked == _plain(known):
            return number
    shown = ", ".join(known for _, known in sorted(labels.items())[:12])
    raise ConfigError(
        f"The model in {checkpoint.folder.name} has no class '{label}'; it knows {len(labels)}: "
        f"{shown or 'none by name'}{', …' if len(labels) > 12 else ''}; choose one with --prompt."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def _plain(label: str) -> str:
    return label.strip().lower().replace("_", " ")
