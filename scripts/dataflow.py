"""A frame and one step as a dataflow file, as `rowmill batch` runs many of them.

Columns whose names begin with c are numbers, with t texts.
"""

import json
import os


def toml_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {toml_value(one)}' for key, one in value.items()) + " }"
    # The escapes of a basic string are JSON's.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def write(directory, name, frame, step, size):
    """Writes NAME.toml, and the frame as NAME.in.csv; the results go into NAME.ours.csv. Returns the path before the dot."""
    base = os.path.join(directory, name)
    frame.to_csv(base + ".in.csv", index=False)
    numbers = ", ".join(f'"{c}"' for c in frame.columns if c[0] == "c")
    texts = ", ".join(f'"{c}"' for c in frame.columns if c[0] == "t")
    step = "\n".join(f"{key} = {toml_value(value)}" for key, value in step.items())
    open(base + ".toml", "w").write(
        f'[schema]\nnumber = [{numbers}]\ntext = [{texts}]\n\n[source]\nurl = "{base}.in.csv"\n\n[buffer]\nbucket_size = {size}\n\n'
        f'[[subtask]]\n{step}\n\n[sink]\nurl = "{base}.ours.csv"\ninfinity = "text"\n\n[dead_letter]\nurl = "null"\n'
    )
    return base
