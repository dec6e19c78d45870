"""Small files written by other programs or by hand, and readers that are not ours."""

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.spatial.transform import Rotation

from napari_mednext.volume import VoxelGrid

RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def rotated(degrees=(0.0, 0.0, 0.0), code="LPS"):
    """Direction matrix (columns x, y, z in LPS) of an orientation, turned in space."""
    sides = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1)}
    sides["I"] = (2, -1)
    matrix = np.zeros((3, 3))
    for column, letter in enumerate(code):
        world, sign = sides[letter]
        matrix[world, column] = sign
    return Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ matrix


def make_grid(
    shape=(5, 6, 7), spacing=(3.0, 0.7, 1.1), origin=(-31.5, 12.25, 80.0), **k
):
    direction = rotated(**k)
    return VoxelGrid(shape, spacing, origin, tuple(map(tuple, direction.tolist())))


def make_array(shape=(5, 6, 7), dtype=np.int16):
    """Every voxel has a value of its own."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def xyz_ras(grid):
    """nibabel's affine (x, y, z, 1) -> RAS of a grid."""
    return RAS_LPS @ grid.affine[:, [2, 1, 0, 3]]


def write_nifti(path, array, affine, *, sform=1, qform=1, q_affine=None, **header):
    """Write a (z, y, x) array with nibabel; ``affine`` is nibabel's."""
    kind = header.pop("kind", nib.Nifti1Image)
    image = kind(np.ascontiguousarray(array.T), None)
    image.header.set_sform(affine, sform)
    image.header.set_qform(affine if q_affine is None else q_affine, qform)
    image.header.set_xyzt_units(header.pop("unit", "mm"), "sec")
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return Path(path)


def write_nrrd(path, array, grid):
    columns = (grid.matrix * np.asarray(grid.spacing[::-1])).T.tolist()
    vectors = " ".join("(" + ",".join(map(repr, c)) + ")" for c in columns)
    head = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, array.shape[::-1]))}\n"
        f"space directions: {vectors}\nkinds: domain domain domain\n"
        "endian: little\nencoding: raw\n"
        f"space origin: ({','.join(map(repr, grid.origin))})\n\n"
    )
    Path(path).write_bytes(head.encode() + array.astype("<i2").tobytes())
    return Path(path)


def write_mha(path, array, grid):
    def row(values):
        return " ".join(map(repr, values))

    head = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\n"
        "BinaryDataByteOrderMSB = False\nCompressedData = False\n"
        f"TransformMatrix = {row(grid.matrix.T.reshape(-1).tolist())}\n"
        f"Offset = {row(grid.origin)}\nElementSpacing = {row(grid.spacing[::-1])}\n"
        f"DimSize = {row(array.shape[::-1])}\nElementType = MET_SHORT\n"
        "ElementDataFile = LOCAL\n"
    )
    Path(path).write_bytes(head.encode() + array.astype("<i2").tobytes())
    return Path(path)


def read_independently(path):
    """Voxels (z, y, x) and affine, index (z, y, x, 1) to LPS, not by our readers."""
    name = path.name
    if name.endswith((".nii", ".nii.gz")):
        image = nib.load(path)
        affine = RAS_LPS @ image.affine
        return np.asanyarray(image.dataobj).T, affine[:, [2, 1, 0, 3]]
    return _read_nrrd(path) if name.endswith(".nrrd") else _read_meta(path)


def _read_nrrd(path):
    head, data = path.read_bytes().split(b"\n\n", 1)
    lines = [line for line in head.decode().splitlines()[1:] if line[0] != "#"]
    field = dict(line.split(": ", 1) for line in lines)
    assert field["space"] == "left-posterior-superior"

    def vectors(text):
        return [
            [float(v) for v in part.strip("()").split(",")] for part in text.split()
        ]

    data = gzip.decompress(data) if field["encoding"] == "gzip" else data
    kind = {"unsigned char": "u1", "uint8": "u1", "unsigned short": "<u2"}
    kind |= {"uint16": "<u2", "short": "<i2", "float": "<f4"}
    sizes = [int(n) for n in field["sizes"].split()]
    array = np.frombuffer(data, kind[field["type"]]).reshape(sizes[::-1])
    return array, _affine(
        np.array(vectors(field["space directions"])).T,
        vectors(field["space origin"])[0],
    )


def _read_meta(path):
    raw = path.read_bytes()
    end = raw.index(b"\n", raw.index(b"ElementDataFile")) + 1
    field = dict(line.split(" = ", 1) for line in raw[:end].decode().splitlines())

    def numbers(name):
        return np.array([float(v) for v in field[name].split()])

    local = field["ElementDataFile"] == "LOCAL"
    data = raw[end:] if local else (path.parent / field["ElementDataFile"]).read_bytes()
    data = zlib.decompress(data) if field["CompressedData"] == "True" else data
    kind = {"MET_UCHAR": "u1", "MET_USHORT": "<u2", "MET_SHORT": "<i2"}
    shape = numbers("DimSize").astype(int)[::-1]
    columns = numbers("TransformMatrix").reshape(3, 3).T * numbers("ElementSpacing")
    array = np.frombuffer(data, kind[field["ElementType"]]).reshape(shape)
    return array, _affine(columns, numbers("Offset"))


def _affine(columns_xyz, origin):
    affine = np.eye(4)
    affine[:3, :3] = columns_xyz[:, ::-1]
    affine[:3, 3] = origin
    return affine


def write_dicom(path, pixels, *, origin, matrix=None, spacing=(1.1, 0.7), **tags):
    """Write one DICOM image of (y, x) or (frames, y, x) pixels; spacing is (y, x)."""
    matrix = np.eye(3) if matrix is None else matrix
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    sop = tags.pop("SOPInstanceUID", generate_uid())
    sop_class = tags.pop("SOPClassUID", CTImageStorage)
    data.file_meta.MediaStorageSOPClassUID = sop_class
    data.file_meta.MediaStorageSOPInstanceUID = sop
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = sop_class, sop
    data.Modality = "CT"
    data.SeriesInstanceUID = "1.2.3"
    data.SeriesDescription = "thorax"
    if origin is not None:
        data.ImagePositionPatient = [f"{v:.10g}"[:16] for v in origin]
        data.ImageOrientationPatient = [f"{v:.10g}"[:16] for v in matrix[:, :2].T.flat]
    data.PixelSpacing = list(spacing)
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.Rows, data.Columns = pixels.shape[-2:]
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.RescaleSlope, data.RescaleIntercept = "1", "-1024"
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = pixels.astype("<i2").tobytes()
    data.save_as(path, enforce_file_format=True)
    return Path(path)


def write_series(folder, array, grid, *, shift=None, name="IM{:04d}", **tags):
    """Write one file a slice of a (z, y, x) array, without an ending.

    ``shift(i)`` moves slice i by a vector in mm; a list as a tag is one value a slice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(3).permutation(len(array))
    paths = [None] * len(array)
    for number, i in enumerate(order):
        origin = grid.to_world(np.array([i, 0, 0]))
        if shift is not None:
            origin = origin + np.asarray(shift(i))
        own = {k: v[i] if isinstance(v, list) else v for k, v in tags.items()}
        own.setdefault("InstanceNumber", int(i) + 1)
        paths[i] = write_dicom(
            folder / name.format(number),
            array[i],
            origin=origin,
            matrix=grid.matrix,
            spacing=grid.spacing[1:],
            **own,
        )
    return paths
