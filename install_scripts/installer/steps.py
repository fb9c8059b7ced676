"""The installation itself: each step is written down before it is done, and can be done again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

from .commands import environment, pip, program, python_of, run, say
from .errors import InstallError
from .links import add_line, link, nuke_line
from .plan import Plan
from .record import make_folder, save
from .source import BUNDLE, SCRIPTS
from .torch_build import PIP

__all__ = ["add_torch", "ask", "copy_scripts", "install", "kind_of_torch", "make_venv", "torch_failed"]

_INSIDE = ("blender", "python", "scripts", "uv", "venv")
"""All that may come to lie in the prefix; the shell scripts make python and uv."""
_CACHE = """
import json, os
import platformdirs
from vimatte.engine.weights import cache
print(json.dumps([platformdirs.user_cache_dir("vimatte"), str(cache())]))
"""
_SETS = """
import json
from vimatte.engine.checkpoints.catalogue import listed
print(json.dumps({one.name: [str(one.folder), one.here] for one in listed()}))
"""
_TORCH = "import torch; print('rocm' if torch.version.hip else 'cuda' if torch.version.cuda else 'cpu')"


def install(plan: Plan, *, here: Path) -> None:
    """Carry the plan out. Raises InstallError; what was done until then is in the record."""
    record = plan.record
    if plan.source.bundle is not None:
        _check_bundle(plan.source.bundle)
    make_folder(record, plan.prefix)
    record.inside = sorted({*record.inside, *_INSIDE})
    save(record)
    copy_scripts(here, plan.prefix / "scripts")

    python = python_of(plan.venv)
    again = make_venv(plan.venv, base=plan.python)
    chosen = f"{plan.build.kind} {plan.build.index}"
    if again and record.torch and record.torch != chosen:
        pip(python, "uninstall", "--yes", "torch", options=plan.pip, index=False, failed="pip could not remove torch")
    record.torch = chosen
    save(record)
    say("torch", f"installing the {plan.build.kind} build (large: a few minutes)")
    add_torch(python, plan)
    say("vimatte", f"installing {plan.source.version} and what it needs")
    failed = (
        "pip could not install vimatte and what it needs; check the network or the proxy, or give a folder of wheels: "
        "--no-index --find-links FOLDER"
    )
    spec = plan.source.spec(plan.extras)
    pip(python, "install", spec, options=plan.pip, failed=failed)
    if again:
        # The same version may be another state of the sources.
        pip(python, "install", "--force-reinstall", "--no-deps", spec, options=plan.pip, failed=failed)
    found = kind_of_torch(python)
    if found != ("cpu" if plan.build.kind == "mps" else plan.build.kind):
        say("note", f"torch is a {found} build, {plan.build.kind} was planned: no other was where it came from")

    record.cache, _ = json.loads(ask(python, _CACHE))
    save(record)
    if plan.weights:
        _add_weights(plan, python)
    _link(plan, python)
    run(
        [program(plan.venv, "vimatte"), "doctor"],
        env=environment(),
        failed="vimatte is installed but `vimatte doctor` fails",
    )
    _say_what_next(plan)


def copy_scripts(here: Path, target: Path) -> None:
    """Put the installer somewhere else, so that it can uninstall without the checkout."""
    if here.resolve() == target.resolve():
        return
    target.mkdir(exist_ok=True)
    for name in SCRIPTS:
        if (here / name).is_dir():
            shutil.copytree(
                here / name, target / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(here / name, target / name)


def make_venv(venv: Path, *, base: Path) -> bool:
    """Make an environment unless a working one of the same Python is there; whether it was."""
    wanted = "{}.{}".format(*sys.version_info)
    try:
        if ask(python_of(venv), "import sys, pip; print('{}.{}'.format(*sys.version_info))") == wanted:
            return True
    except (InstallError, OSError):
        pass
    say("python", f"making an environment with {base}")
    run(
        [base, "-m", "venv", "--clear", venv],
        env=environment(),
        failed=f"{base} could not make an environment in {venv}",
    )
    return False


def add_torch(python: Path, plan: Plan, *, verb: str = "install", into: tuple[str | Path, ...] = ()) -> None:
    """Install or fetch torch alone: from a folder that has it, else from the index that has the build."""
    folders = [str(argument) for folder in plan.torch_folders for argument in ("--find-links", folder)]
    if folders:
        # Without what it needs: that may be elsewhere, and comes with the rest.
        pip(
            python, verb, *into, "--no-deps", "--no-index", *folders, plan.source.torch,
            options=plan.pip, index=False, failed=torch_failed(plan),
        )  # fmt: skip
    elif plan.build.index != PIP:
        links = [argument for place in plan.pip.find_links for argument in ("--find-links", place)]
        pip(
            python, verb, *into, "--index-url", plan.build.index, *links, plan.source.torch,
            options=plan.pip, index=False, failed=torch_failed(plan),
        )  # fmt: skip


def torch_failed(plan: Plan) -> str:
    """The sentence for when torch cannot be had."""
    where = ", ".join(map(str, plan.torch_folders)) or plan.build.index
    return (
        f"pip could not get {plan.source.torch} from {where}; check the network or the proxy, name a mirror with "
        f"--torch-index URL ('pip' for pip's own index), or a folder that holds the wheel with --find-links FOLDER"
    )


def kind_of_torch(python: Path) -> str:
    """Which build is installed: cpu, cuda or rocm."""
    return ask(python, _TORCH)


def ask(python: Path, code: str) -> str:
    """Run a few lines in an environment and return what they print. Raises InstallError."""
    ran = subprocess.run(
        [str(python), "-I", "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(),
        check=False,
    )
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]
        raise InstallError(f"{python} cannot run what was installed: {last}")
    return ran.stdout.strip()


def _check_bundle(bundle: Path) -> None:
    """Raises InstallError where a file of the bundle is missing or was damaged on the way."""
    say("bundle", "checking every file")
    for name, digest in json.loads((bundle / BUNDLE).read_text(encoding="utf-8"))["sha256"].items():
        path = bundle / name
        if not path.is_file():
            raise InstallError(f"The bundle lacks {name}; copy it anew.")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise InstallError(f"{name} of the bundle is damaged (its sha256 is another); copy it anew.")


def _add_weights(plan: Plan, python: Path) -> None:
    record = plan.record
    _, cache = json.loads(ask(python, _CACHE))
    sets = json.loads(ask(python, _SETS))
    vimatte = program(plan.venv, "vimatte")
    for name in plan.weights:
        if name not in sets:
            raise InstallError(f"There are no weights '{name}'; there are {', '.join(sets)}.")
        folder, there = Path(sets[name][0]), sets[name][1]
        if there:
            say("weights", f"{name} is here already")
            continue
        # A folder that VIMATTE_WEIGHTS names is shared with others, so it is filled but never emptied.
        if not os.environ.get("VIMATTE_WEIGHTS") and not folder.exists():
            make_folder(record, folder.parent)
            record.trees.append(str(folder))
            save(record)
        if plan.source.bundle is not None and name in plan.source.weights:
            inside = plan.source.bundle / "weights" / folder.relative_to(cache)
            shutil.copytree(inside, folder, dirs_exist_ok=True)
            run(
                [vimatte, "weights", "verify", name],
                env=environment(),
                failed=f"The bundle's weights '{name}' cannot be used",
            )
            continue
        command: list[str | Path] = [
            vimatte,
            "weights",
            "pull",
            name,
            *(["--accept-licence"] if plan.accept_licence else []),
        ]
        holding = [place for place in plan.pip.find_links if "://" not in place]
        if holding:
            command += ["--find-links", holding[0]]
        env = environment(proxy=plan.pip.proxy)
        env |= {"PIP_NO_INDEX": "1"} if plan.pip.no_index else {}
        env |= {"PIP_INDEX_URL": plan.pip.index_url} if plan.pip.index_url else {}
        run(command, env=env, failed=f"The weights '{name}' could not be fetched; the rest is installed")


def _link(plan: Plan, python: Path) -> None:
    """Make the links that were asked for, and those of an earlier run anew: what they lead to may have moved."""
    record = plan.record
    site = Path(ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    plugin = site / "vimatte" / "plugin"
    places = [*record.links, *(str(folder / "vimatte") for folder in plan.blender)]
    if places:
        extension = plan.prefix / "blender" / "vimatte"
        _write_extension(plugin, extension, plan.prefix / "scripts" / "build_extension")
        for place in dict.fromkeys(places):
            link(record, Path(place), extension)
            say("blender", place)
    files = [*(line.file for line in record.lines), *([str(plan.nuke)] if plan.nuke is not None else [])]
    usual = plan.prefix == Path.home() / ".vimatte"
    for file in dict.fromkeys(files):
        add_line(record, Path(file), nuke_line(plugin / "nuke", venv=None if usual else plan.venv))
        say("nuke", file)


def _write_extension(plugin: Path, target: Path, script: Path) -> None:
    """Lay the extension out as it is in the zip that Blender installs."""
    loader = SourceFileLoader("build_extension", str(script))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    shutil.rmtree(target, ignore_errors=True)
    for name, data in module.contents(plugin).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _say_what_next(plan: Plan) -> None:
    script = "install.ps1" if os.name == "nt" else "install.sh"
    print()
    say("commands", program(plan.venv, "vim-batch").parent)
    if plan.blender:
        say("blender", "tick Vimatte in Preferences > Add-ons; restart Blender if it runs")
    if plan.prefix != Path.home() / ".vimatte":
        say("plug-ins", f"the engine is not in its usual place: set VIMATTE_ENGINE to {plan.venv}")
    if not plan.weights:
        say("weights", "none yet: --masks FOLDER needs none; to have people found, vimatte weights pull blazepose")
    say("try", f'"{program(plan.venv, "vim-batch")}" shot.mov --out layers.exr')
    say("remove", f'"{plan.prefix / "scripts" / script}" --uninstall --prefix "{plan.prefix}"')
