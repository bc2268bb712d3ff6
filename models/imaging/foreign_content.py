"""What people have under a picture's name that is none: web pages, pointers, other formats."""

HEAD_BYTES = 512
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
BEGINNINGS = {  # in lower case -> a stable word
    b"version https://git-lfs": "git_lfs_pointer",
    b"<!doctype html": "web_page",
    b"<html": "web_page",
    b"<?xml": "xml",
    b"<svg": "svg",
    b"%pdf": "pdf",
    b"8bps": "photoshop",
    b"pk\x03\x04": "zip_archive",
    b"\xff\x0a": "jpeg_xl",
    b"\x00\x00\x00\x0cjxl ": "jpeg_xl",
    b"v/1\x01": "openexr",
    b"\x93numpy": "numpy_array",
}
MEANING = {
    "empty_file": "an empty file",
    "git_lfs_pointer": "a Git LFS pointer: run `git lfs pull` to get the file",
    "web_page": "a web page, not the file that it shows",
    "xml": "an XML file",
    "svg": "an SVG drawing",
    "pdf": "a PDF",
    "photoshop": "a Photoshop file",
    "zip_archive": "a zip archive",
    "jpeg_xl": "a JPEG XL picture",
    "openexr": "an OpenEXR picture",
    "numpy_array": "a NumPy array",
    "heic": "a HEIC picture: save it as JPEG, as telephones offer",
}


def foreign_word(content: bytes) -> str | None:
    """What content is that begins as no picture does, as a word of MEANING; None: unknown."""
    head = content[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not content:
        return "empty_file"
    if content[4:8] == b"ftyp" and content[8:12] in HEIF_BRANDS:
        return "heic"
    return next((word for begin, word in BEGINNINGS.items() if head.startswith(begin)), None)
