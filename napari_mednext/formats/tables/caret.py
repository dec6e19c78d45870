"""Label tables in the XML that Caret and Connectome Workbench put into NIfTI headers.

TotalSegmentator writes them too. A label is ``<Label Key= Red= Green= Blue= Alpha=>``
around its name, colours run from 0 to 1. Written from files of TotalSegmentator and
from Connectome Workbench's description of label tables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables.colors import rgb_of
from napari_mednext.formats.tables.table import LabelTable, TableRows
from napari_mednext.formats.tables.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.labels import Label, LabelSet

__all__ = ["KIND", "carried", "is_xml_table", "parse", "table_bytes"]

KIND = "NIfTI"

#: Characters that XML 1.0 has no way to write.
_FORBIDDEN = re.compile("[\ud800-\udfff\ufffe\uffff]")


def is_xml_table(content: bytes) -> bool:
    """Whether the content of a header extension is such a table."""
    return b"<CaretExtension" in content[:1000] and b"<LabelTable" in content


def parse(content: bytes, file: str) -> LabelTable:
    """Read a table; key 0, the background, is left out.

    Of several tables in one document the first counts.

    Parameters
    ----------
    content : bytes
        The document, with or without padding at its end.
    file : str
        The name of the file, for sentences.

    Raises
    ------
    FormatError
        If it is no XML, defines entities, holds no table, or a key or colour cannot
        be.
    """
    reader = _Reader(file)
    reader.read(content.rstrip(b"\0 \t\r\n"))
    if not reader.tables:
        msg = f"{file!r} must hold a label table, but it has none: choose another file"
        raise FormatError(msg)
    notes: tuple[str, ...] = ()
    if reader.tables > 1:
        notes = (f"{file!r} holds {reader.tables} label tables: the first was read",)
    return LabelTable(reader.rows.labels, KIND, notes=notes)


def carried(label: Label) -> str:
    """Return the name as XML holds it: without control characters."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", one_line(label.name))


def table_bytes(labels: LabelSet) -> bytes:
    """Return the labels as the content of a header extension, UTF-8.

    Parameters
    ----------
    labels : LabelSet
        Colours are written with six digits, so that they are read back exactly.

    Returns
    -------
    bytes
        An XML document without padding.
    """
    rows = "\n".join(_element(label) for label in labels)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<CaretExtension>\n<VolumeInformation Index="0">\n<LabelTable>\n'
        f"{rows}\n</LabelTable>\n"
        "<VolumeType><![CDATA[Label]]></VolumeType>\n"
        "</VolumeInformation>\n</CaretExtension>\n"
    ).encode()


def _element(label: Label) -> str:
    """Return one label as an element."""
    parts = " ".join(
        f"{part}={quoteattr(f'{number / 255:.6g}')}"
        for part, number in zip(("Red", "Green", "Blue"), label.color, strict=True)
    )
    # The end of a section inside a name has to be spread over two sections.
    name = carried(label).replace("]]>", "]]]]><![CDATA[>")
    return f'<Label Key="{label.value}" {parts} Alpha="1"><![CDATA[{name}]]></Label>'


class _Reader:
    """Takes the labels out of a document as they come by."""

    def __init__(self, file: str) -> None:
        self.rows = TableRows(file)
        self.tables = 0
        self._file = file
        self._label: tuple[Mapping[str, str], str] | None = None
        self._name: list[str] = []
        self._parser = expat.ParserCreate()
        # A document type can define entities that grow to any size, or name files.
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._name.append

    def read(self, content: bytes) -> None:
        """Read the whole document."""
        try:
            self._parser.Parse(content, True)  # noqa: FBT003 - it has no name
        except FormatError:
            raise
        except (expat.ExpatError, LookupError, ValueError) as error:
            # The latter two for encodings that are unknown or of no use.
            msg = (
                f"the label table in {self._file!r} must be XML, but {self._place} is "
                f"not ({error}): write the table again"
            )
            raise FormatError(msg) from error

    @property
    def _place(self) -> str:
        return f"line {self._parser.CurrentLineNumber}"

    def _refuse(self, *_: object) -> None:
        msg = (
            f"the label table in {self._file!r} must not define a document type, but "
            f"{self._place} does: remove it"
        )
        raise FormatError(msg)

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "LabelTable":
            self.tables += 1
        elif tag == "Label" and self.tables == 1:
            self._label = (attributes, self._place)
            self._name.clear()

    def _end(self, tag: str) -> None:
        if tag != "Label" or self._label is None:
            return
        attributes, place = self._label
        self._label = None
        key = attributes.get("Key", "")
        if re.fullmatch(r"-?\d{1,9}", key, re.ASCII) is None:
            msg = (
                f"a label must have a whole number as its Key, got {key!r} in {place} "
                f"of the label table in {self._file!r}: write the table again"
            )
            raise FormatError(msg)
        color = None
        parts = [attributes.get(part, "") for part in ("Red", "Green", "Blue")]
        if all(parts):
            color = rgb_of(parts, 1, place, self._file)
        name = "".join(self._name)
        # Line breaks come from programs that set names on lines of their own.
        self.rows.add(int(key), name.strip() if "\n" in name else name, color, place)
