"""Reading volumes and writing masks, in the formats of the clinic and of research."""

from napari_mednext.formats.dicom import Series, list_series
from napari_mednext.formats.naming import ENDINGS, WRITABLE_ENDINGS, mask_name
from napari_mednext.formats.opening import open_source, open_volume
from napari_mednext.formats.placing import check_output
from napari_mednext.formats.sources import Source, find_sources
from napari_mednext.formats.writing import save_segmentation, save_volume

__all__ = [
    "ENDINGS",
    "WRITABLE_ENDINGS",
    "Series",
    "Source",
    "check_output",
    "find_sources",
    "list_series",
    "mask_name",
    "open_source",
    "open_volume",
    "save_segmentation",
    "save_volume",
]
