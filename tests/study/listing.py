"""Small files that lists of cases name."""

import json


def touch(path):
    """A file that is no DICOM; lists never look into their volumes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not empty")
    return path


def touch_all(folder, *names):
    return [touch(folder / name) for name in names]


def put_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def by_name(cases):
    return {entry.name: entry for entry in cases.entries}
