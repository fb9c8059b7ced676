"""An Open Job Description bundle: template, parameter values in both customary forms, and how to run it.

The template is 2023-09 with the extension TASK_CHUNKING; FEATURE_BUNDLE_1 is declared only where host requirements are
parameters. Chunks of a range without gaps are CONTIGUOUS, else NONCONTIGUOUS: a contiguous chunk ends at every gap.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vimatte.cli.farm.steps import CHUNK, FarmJob
from vimatte.engine.farm import openjd_range
from vimatte.ocio.whole_file import whole_file

__all__ = ["openjd_template", "write_openjd"]

_ENGINE = "{{Session.WorkingDirectory}}/vimatte_engine.json"
_LONGEST_NAME = 64
_NOTIFY = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 30}


def openjd_template(farm: FarmJob) -> dict[str, Any]:
    """Give the job template as plain values."""
    needed = _requirements(farm)
    hosts = {"hostRequirements": {"amounts": needed}} if needed else {}
    kind = "NONCONTIGUOUS" if farm.frames.gaps().numbers else "CONTIGUOUS"
    chunks = {"defaultTaskCount": "{{Param.ChunkSize}}", "rangeConstraint": kind}
    matte = ["{{Task.Param.Frame}}" if a == CHUNK else a for a in farm.matte]
    start = ["engine", "start", "--connection", _ENGINE, "--matting", farm.job.matting, "--proxy", str(farm.job.proxy)]
    model = {
        "onEnter": _action(farm, (*start, "--device", "{{Param.Device}}")),
        "onExit": _action(farm, ("engine", "stop", "--connection", _ENGINE)),
    }
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING", *(["FEATURE_BUNDLE_1"] if needed else [])],
        "name": f"vimatte {farm.name}".replace("{{", "")[:_LONGEST_NAME],
        "parameterDefinitions": [*map(_definition, farm.parameters), *_numbers(farm)],
        "jobEnvironments": [{"name": "Vimatte", "variables": {"VIMATTE_REPORT": "openjd", **farm.environment}}],
        "steps": [
            {"name": "Track", **hosts, "script": {"actions": {"onRun": _action(farm, farm.track, cancel=True)}}},
            {
                "name": "Matte",
                "dependencies": [{"dependsOn": "Track"}],
                **hosts,
                "parameterSpace": {
                    "taskParameterDefinitions": [
                        {"name": "Frame", "type": "CHUNK[INT]", "range": "{{Param.Frames}}", "chunks": chunks}
                    ]
                },
                "stepEnvironments": [
                    {
                        "name": "Engine",
                        "description": "A process that keeps the matting model open for all chunks of the session.",
                        "script": {"actions": model},
                    }
                ],
                "script": {"actions": {"onRun": _action(farm, (*matte, "--engine", _ENGINE), cancel=True)}},
            },
            {
                "name": "Verify",
                "dependencies": [{"dependsOn": "Matte"}],
                "script": {"actions": {"onRun": _action(farm, farm.verify, cancel=True)}},
            },
        ],
    }


def _action(farm: FarmJob, arguments: tuple[str, ...], *, cancel: bool = False) -> dict[str, Any]:
    command, *before = farm.program
    if command == "apptainer":
        before = ["exec", "--bind", "{{Session.WorkingDirectory}}", *before[1:]]
    action: dict[str, Any] = {"command": command, "args": [*before, *arguments]}
    return {**action, "cancelation": _NOTIFY} if cancel else action


def _definition(one: Any) -> dict[str, Any]:
    about = {"name": one.name, "type": one.kind, "description": one.about}
    if one.kind == "PATH":
        return {**about, "objectType": one.object_type, "dataFlow": one.flow}
    return {**about, "default": one.value}


def _numbers(farm: FarmJob) -> list[dict[str, Any]]:
    needs = farm.needs
    numbers: list[dict[str, Any]] = [
        {
            "name": "ChunkSize",
            "type": "INT",
            "minValue": 1,
            "default": farm.chunk,
            "description": "Frames a task; a chunk's first frames are warmed up anew.",
        }
    ]
    if needs.gpu_memory:
        numbers.append(_amount("GpuMemory", round(needs.gpu_memory * 1024), "GPU memory of a worker, in MiB"))
    if needs.memory:
        numbers.append(_amount("Memory", round(needs.memory * 1024), "Main memory of a worker, in MiB"))
    if needs.cpus:
        numbers.append(_amount("Cpus", needs.cpus, "Processor cores of a worker"))
    return numbers


def _amount(name: str, value: int, about: str) -> dict[str, Any]:
    return {"name": name, "type": "INT", "minValue": 1, "default": value, "description": about}


def _requirements(farm: FarmJob) -> list[dict[str, Any]]:
    needs = farm.needs
    gpu: list[dict[str, Any]] = [
        {"name": "amount.worker.gpu", "min": 1},
        {"name": "amount.worker.gpu.memory", "min": "{{Param.GpuMemory}}"},
    ]
    return [
        *(gpu if needs.gpu_memory else []),
        *([{"name": "amount.worker.memory", "min": "{{Param.Memory}}"}] if needs.memory else []),
        *([{"name": "amount.worker.vcpu", "min": "{{Param.Cpus}}"}] if needs.cpus else []),
    ]


def write_openjd(farm: FarmJob, folder: Path) -> tuple[Path, ...]:
    """Write the bundle and return its files. Raises MediaError."""
    values = {one.name: one.value for one in farm.parameters}
    listed = [{"name": name, "value": value} for name, value in values.items()]
    texts = {
        "template.json": json.dumps(openjd_template(farm), indent=1, ensure_ascii=False),
        "parameter_values.json": json.dumps({"parameterValues": listed}, indent=1, ensure_ascii=False),
        "parameters.json": json.dumps(values, indent=1, ensure_ascii=False),
        "README.md": _readme(farm, folder),
    }
    return tuple(_written(folder / name, text) for name, text in texts.items())


def _written(path: Path, text: str) -> Path:
    with whole_file(path, what=f"the farm job's {path.name}") as temp:
        temp.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return path


def _readme(farm: FarmJob, folder: Path) -> str:
    return f"""# {farm.name}: frames {openjd_range(farm.frames)} in {len(farm.chunks)} chunks of {farm.chunk}

An Open Job Description bundle with the steps Track, Matte and Verify. Any task may run again at any time.

```sh
pip install openjd-cli
openjd check {folder.name}/template.json
openjd run {folder.name}/template.json -p file://{folder.name}/parameters.json          # the whole job, on this machine
openjd run {folder.name}/template.json -p file://{folder.name}/parameters.json \\
  --step Matte --no-run-dependencies -tp Frame={openjd_range(farm.chunks[0])}             # one chunk
deadline bundle submit {folder.name}                                     # AWS Deadline Cloud
```

| parameter | is |
|---|---|
{"".join(f"| {one.name} | {one.about}: `{one.value}` |" + chr(10) for one in farm.parameters)}
Paths are mapped for workers that see them elsewhere. Every worker needs the same version of vimatte, the same weights
and the same kind of device ({farm.job.device}): frames are then the same, byte for byte, whoever makes them.
"""
