"""Lists of cases that other programs keep: reading them, and writing them for those."""

from napari_mednext.study.lists.kinds import LIST_KINDS, read_cases, write_cases

__all__ = ["LIST_KINDS", "read_cases", "write_cases"]
