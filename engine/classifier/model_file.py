"""The model file: a zip of two members, read as if an enemy had written it.

    card.json    what the model is, for people and for checks (model.py, Card)
    forest.npz   its numbers: arrays of fixed names, types and ranks (ARRAYS), no pickle

Every size is checked before anything is allocated or unpacked: the file's, each member's as
announced (a zip reader returns no more than announced), each array's from its own header against
the bytes that are there. Nothing in the file names a path, a class or code. Whatever is wrong is a
ModelError that says what, and where it can the limit and the value.
"""

import io
import os
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from engine.errors import ModelError

FILE_BYTES_MAX = 16 << 20
CARD_BYTES_MAX = 1 << 20
FOREST_BYTES_MAX = 32 << 20  # forest.npz, and each array in it.
MEMBERS = {"card.json": CARD_BYTES_MAX, "forest.npz": FOREST_BYTES_MAX}
ARRAYS = {  # name: (dtype, rank)
    "forest_trees": (np.dtype("<i4"), 1),  # trees of each kind's gate, then of each's forest
    "tree_nodes": (np.dtype("<i4"), 1),  # inner nodes of each tree; it has one leaf more
    "node_feature": (np.dtype("u1"), 1),
    "node_threshold": (np.dtype("<f4"), 1),
    "node_left": (np.dtype("<i2"), 1),  # child within the tree; below 0: leaf ~child
    "node_right": (np.dtype("<i2"), 1),
    "node_value": (np.dtype("<f8"), 1),  # mean of the training rows' leaves below the node
    "leaf_value": (np.dtype("<f8"), 1),
    "reference_vector": (np.dtype("<f4"), 2),  # (vectors, 142)
    "reference_score": (np.dtype("<f4"), 1),
    "reference_label": (np.dtype("u1"), 1),
}
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)
_NO_HEADER = (
    *(ValueError, SyntaxError, TypeError, RecursionError, EOFError),
    tokenize.TokenError,  # numpy hands what it cannot read to Python's tokenizer.
)
_STAMP = (1980, 1, 1, 0, 0, 0)  # Equal content gives equal files.


def read_members(path: str | Path) -> tuple[bytes, dict[str, np.ndarray]]:
    """Return the card's bytes and the arrays of a model file."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > FILE_BYTES_MAX:
                raise ModelError(
                    f"{path}: a model file has at most {FILE_BYTES_MAX:,} bytes, this has {size:,}"
                )
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ModelError(f"cannot read model {str(path)!r}: {error.strerror}") from None
    if len(content) > FILE_BYTES_MAX:
        raise ModelError(
            f"{path}: a model file has at most {FILE_BYTES_MAX:,} bytes, this has more"
        )
    members = _unzip(str(path), content, MEMBERS)
    limits = {name + ".npy": FOREST_BYTES_MAX for name in ARRAYS}
    packed = _unzip(f"{path}: forest.npz", members["forest.npz"], limits)
    arrays = {
        name: _array(f"{path}: {name}", packed[name + ".npy"], *kind)
        for name, kind in ARRAYS.items()
    }
    return members["card.json"], arrays


def write_members(path: str | Path, card: bytes, arrays: dict[str, np.ndarray]) -> None:
    """Write a model file; the same arguments give the same bytes."""
    assert set(arrays) == set(ARRAYS), f"arrays {sorted(set(arrays) ^ set(ARRAYS))}"
    packed = {}
    for name, (dtype, rank) in ARRAYS.items():
        assert arrays[name].ndim == rank, f"{name} has rank {arrays[name].ndim}, not {rank}"
        buffer = io.BytesIO()
        array = np.ascontiguousarray(arrays[name], dtype)
        np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
        packed[name + ".npy"] = buffer.getvalue()
    forest = _zip(packed, zipfile.ZIP_STORED)
    content = _zip({"card.json": card, "forest.npz": forest}, zipfile.ZIP_DEFLATED)
    Path(path).write_bytes(content)


def _zip(members: dict[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = compression
            archive.writestr(entry, content, compresslevel=9)
    return buffer.getvalue()


def _unzip(what: str, content: bytes, limits: dict[str, int]) -> dict[str, bytes]:
    """Return the members of a zip: exactly those of `limits`, none larger than its limit."""
    members = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [entry.filename for entry in archive.infolist()]
            if sorted(names) != sorted(limits):
                shown = ", ".join(repr(name[:40]) for name in names[:20])
                raise ModelError(
                    f"{what} must hold {', '.join(limits)}; it holds {shown or 'none'}"
                )
            for entry in archive.infolist():
                members[entry.filename] = _member(what, archive, entry, limits[entry.filename])
    except _UNREADABLE as error:
        raise ModelError(f"{what} is not a readable zip: {error}") from None
    return members


def _member(what: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    if entry.file_size > limit:
        raise ModelError(
            f"{what}: {entry.filename} may have {limit:,} bytes, it announces {entry.file_size:,}"
        )
    if entry.compress_type not in _COMPRESSIONS or entry.flag_bits & 1:
        raise ModelError(f"{what}: {entry.filename} must be stored or deflated, not encrypted")
    with archive.open(entry) as member:
        content = member.read(limit + 1)
    if len(content) != entry.file_size:
        raise ModelError(
            f"{what}: {entry.filename} has {len(content):,} bytes, it announces {entry.file_size:,}"
        )
    return content


def _array(what: str, content: bytes, dtype: np.dtype, rank: int) -> np.ndarray:
    """Return an array from the bytes of a .npy file of exactly this type and rank."""
    buffer = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(buffer)
        if version != (1, 0):
            raise ModelError(f"{what}: .npy version {version[0]}.{version[1]}, not 1.0")
        shape, fortran, found = np.lib.format.read_array_header_1_0(buffer)
    except _NO_HEADER as error:
        raise ModelError(f"{what} has no readable .npy header: {error}") from None
    if found != dtype or len(shape) != rank or fortran:
        raise ModelError(f"{what} must be {dtype} of rank {rank}, is {found} of shape {shape}")
    count = 1
    for extent in shape:
        if extent < 0 or extent > FOREST_BYTES_MAX:
            raise ModelError(f"{what} has the impossible shape {shape}")
        count *= extent
    rest = len(content) - buffer.tell()
    if count * dtype.itemsize != rest:
        raise ModelError(f"{what}: {rest:,} bytes do not make {shape} of {dtype}")
    buffer.seek(0)
    return np.load(buffer, allow_pickle=False)
