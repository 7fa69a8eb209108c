"""The file of fitted params, which `rowmill fit` writes too."""

import base64
import dataclasses
import hashlib
import json
import os

import numpy as np

VERSION = 1
# Longer arrays are written as the bytes of their numbers.
LONGEST_LIST = 64


@dataclasses.dataclass(frozen=True)
class FittedStep:
    """What one step of a dataflow has learned."""

    step: str
    columns: list
    learned: dict

    def array(self, name):
        """A field as a numpy array, however the file holds it."""
        return unpacked(self.learned[name])


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What a file of fitted params holds."""

    steps: list
    sha256: str

    def __getitem__(self, label):
        for step in self.steps:
            if step.step == label:
                return step
        raise KeyError(f"it holds nothing for {label}; it holds {', '.join(step.step for step in self.steps)}")


def write(steps, path):
    """Writes steps as the file that `params` names.

    One that is there is replaced as a whole: a run may be about to read it.
    """
    content = {"rowmill_fit": VERSION, "steps": [dataclasses.asdict(step) for step in steps]}
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    path = os.path.realpath(path)
    if not os.path.isfile(path):
        with open(path, "w") as file:
            file.write(text)
        return
    new = f"{path}.{os.getpid()}.new"
    with open(new, "w") as file:
        os.chmod(new, os.stat(path).st_mode & 0o777)
        file.write(text)
    os.replace(new, path)


def load(path):
    """Reads a file of fitted params back.

    Raises ValueError for a file of another version, or that is none.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        read = json.loads(content)
        version = read["rowmill_fit"]
        if version != VERSION:
            raise ValueError(f"{path}: written as version {version}; this package reads {VERSION}")
        steps = [FittedStep(**step) for step in read["steps"]]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: no file of fitted params: {error!r}") from error
    return Fitted(steps, hashlib.sha256(content).hexdigest())


def packed(values, dtype="<f8"):
    """Numbers as the file holds them: a list, or the bytes of a long one. NaN is null in a list."""
    values = np.ascontiguousarray(np.asarray(values).ravel(), dtype=dtype)
    if values.size > LONGEST_LIST or (dtype == "<f8" and np.isinf(values).any()):
        return {"dtype": dtype, "base64": base64.b64encode(values.tobytes()).decode()}
    return [None if x != x else x for x in values.tolist()]


def unpacked(value):
    """A field as numbers: the inverse of `packed`; all else as it is."""
    if isinstance(value, dict) and "base64" in value:
        return np.frombuffer(base64.b64decode(value["base64"]), dtype=value["dtype"])
    if isinstance(value, list) and all(x is None or isinstance(x, (int, float)) for x in value):
        return np.array([np.nan if x is None else x for x in value])
    return value
