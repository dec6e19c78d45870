"""Names and colours of labels in the files of other programs."""

from napari_mednext.formats.tables.caret import table_bytes
from napari_mednext.formats.tables.embedding import embed_table
from napari_mednext.formats.tables.kinds import TABLE_KINDS, read_table, write_table
from napari_mednext.formats.tables.table import LabelTable

__all__ = [
    "TABLE_KINDS",
    "LabelTable",
    "embed_table",
    "read_table",
    "table_bytes",
    "write_table",
]
