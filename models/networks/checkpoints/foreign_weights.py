"""What a file is that was given as weights and holds none that we read."""

import io
import tarfile
import zipfile

from models.imaging.foreign_content import MEANING, foreign_word
from models.networks.checkpoints.torch_file import ZIP_MAGIC

BEGINNINGS = {
    b"\x89HDF": "an HDF5 file, as Keras writes: weights of PyTorch are read",
    b"GGUF": "a GGUF file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
}
TAR_BYTES = 512
SHOWN = 3


def what_it_is(content: bytes) -> str:
    """In words, for a message that goes on with what was expected; never empty."""
    if content.startswith(ZIP_MAGIC):
        return _of_zip(content)
    for begin, name in BEGINNINGS.items():
        if content.startswith(begin):
            return name
    if word := foreign_word(content):
        return MEANING[word]
    if content[8:9] == b"{":
        return "a safetensors file that ends early: download it again"
    if content[:1] == b"\x08" and (b"pytorch" in content[:64] or b"onnx" in content[:256]):
        return "an ONNX program: the state that it was made of is read"
    return "a tar archive: unpack it first" if _is_tar(content) else "of an unknown kind"


def _of_zip(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "a file of torch that ends early, or is damaged: download it again"
    inner = [name.partition("/")[2] for name in names]
    if any(name.startswith("code/") for name in inner):
        return "a TorchScript program: the state that it was made of is read"
    if names and all(name.endswith(".npy") for name in names):
        return "a file of NumPy arrays (.npz)"
    return f"a zip of {', '.join(names[:SHOWN])}: unpack it first"


def _is_tar(content: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(content[:TAR_BYTES], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
