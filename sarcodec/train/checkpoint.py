"""Checkpoints of a training run as safetensors: network, optimiser and step; nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sarcodec.atomic import replacing, write_error
from sarcodec.errors import InputError

BROKEN = (OSError, SafetensorError, RuntimeError, ValueError, LookupError, TypeError, AttributeError)
"""What reading a file that is no checkpoint raises."""


def save(
    path: Path,
    net: nn.Module,
    optimiser: torch.optim.Optimizer | None,
    step: int,
    settings: dict[str, object],
    state: Mapping[str, float] | None = None,
) -> None:
    """Write a checkpoint; the old one at `path` is replaced only once the new one is complete.

    Parameters
    ----------
    optimiser : Optimizer, optional
        Left out where no run is to be resumed from the file.
    state : mapping, optional
        Numbers that the run goes on with, see :func:`state_of`.
    """
    tensors: dict[str, Tensor] = {
        f"net/{k}": v.detach().cpu().contiguous() for k, v in net.state_dict().items()
    }
    for index, moments in optimiser.state_dict()["state"].items() if optimiser else ():
        for key, value in moments.items():
            tensors[f"adam/{index}/{key}"] = torch.as_tensor(value).detach().cpu().contiguous()
    notes = {"step": str(step), "settings": json.dumps(settings), "state": json.dumps(dict(state or {}))}
    with replacing(path, overwrite=True) as partial:
        try:
            save_file(tensors, partial, notes)
        except SafetensorError as error:
            raise write_error(path, OSError(str(error))) from error


def load(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer | None) -> int:
    """Restore a checkpoint into `net` and `optimiser`; returns the step it was written at.

    Raises
    ------
    InputError
        The file is missing, damaged, or belongs to a network of another shape.
    """
    try:
        step, tensors = _read(path)
        net.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net/")})
        if optimiser is not None:
            _restore(optimiser, tensors)
    except BROKEN as error:
        raise InputError(
            f"cannot resume from {path}: {error}", hint="Start a new run in another folder."
        ) from error
    return step


def start(path: Path, net: nn.Module) -> bool:
    """Begin with the weights of another run: all of them if they fit, else g_a and g_s alone.

    Returns
    -------
    bool
        Whether all of `net` was taken; a checkpoint of another recipe gives the transforms alone.

    Raises
    ------
    InputError
        The file is missing, damaged, or its transforms have another shape.
    """
    try:
        _, tensors = _read(path)
        found = {k[4:]: v for k, v in tensors.items() if k.startswith("net/")}
        if whole := {k: v.shape for k, v in found.items()} == {
            k: v.shape for k, v in net.state_dict().items()
        }:
            net.load_state_dict(found)
        for name in () if whole else ("g_a", "g_s"):
            head = f"{name}."
            part = {k[len(head) :]: v for k, v in found.items() if k.startswith(head)}
            net.get_submodule(name).load_state_dict(part)
    except BROKEN as error:
        raise InputError(
            f"cannot start from {path}: {' '.join(str(error).split())}",
            hint="Name a checkpoint of a run with the same family, base and channels.",
        ) from error
    return whole


def settings_of(path: Path) -> dict[str, object]:
    """The settings a checkpoint was trained with."""
    return _notes(path, "settings")


def state_of(path: Path) -> dict[str, Any]:
    """The numbers that the run of a checkpoint goes on with."""
    return _notes(path, "state")


def _notes(path: Path, key: str) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata().get(key, "{}"))
    return found


def _read(path: Path) -> tuple[int, dict[str, Tensor]]:
    with safe_open(path, "pt") as file:
        step = int(file.metadata()["step"])
        return step, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def _restore(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    whole = optimiser.state_dict()
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam/"):
            _, index, name = key.split("/")
            of = parameters[int(index)]
            if value.shape == of.shape:  # in the memory layout of the parameter, as if never stored
                value = torch.empty_like(of).copy_(value)  # noqa: PLW2901
            states.setdefault(int(index), {})[name] = value
    whole["state"] = states
    optimiser.load_state_dict(whole)
