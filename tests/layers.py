"""Builds layers out of the packages that are installed beside the tests.

A layer's zip has `python/<package>`, as `pip install --target python` lays it
out. Tests and byte code are left out: with them scipy, numpy and pandas would
not fit into Lambda's 50 MB for a zip and 250 MB unzipped.
"""

import hashlib
import importlib.metadata
import io
import os
import zipfile
from pathlib import Path

BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six")
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "layers"
LEFT_OUT_FOLDERS = {"__pycache__", "tests", "testing_data", "include", "_examples"}
LEFT_OUT_ENDINGS = (".pyc", ".pyi", ".pxd", ".pyx", ".c", ".h", ".a", ".lib", ".f90")
# A fixed time makes the zip's hash depend on its content only.
FIXED_TIME = (2024, 1, 1, 0, 0, 0)


def layer_zip(*distributions: str) -> bytes:
    """The zip of a layer with these installed distributions (not their dependencies)."""
    parts = [f"{name}-{importlib.metadata.version(name)}" for name in distributions]
    cached = CACHE / ("_".join(parts) + ".zip")
    if not cached.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}")
        partial.write_bytes(_build(distributions))
        partial.rename(cached)
    return cached.read_bytes()


def library_folder(*distributions: str) -> Path:
    """The same unpacked, for the setting `python_packages`."""
    whole = layer_zip(*distributions)
    folder = CACHE / f"unpacked-{hashlib.sha256(whole).hexdigest()[:16]}"
    if not folder.exists():
        partial = CACHE / f"partial-{os.getpid()}"
        zipfile.ZipFile(io.BytesIO(whole)).extractall(partial)
        partial.rename(folder)
    return folder / "python"


def _build(distributions: tuple[str, ...]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in distributions:
            for file in sorted(importlib.metadata.files(name) or [], key=str):
                source = Path(file.locate())
                if _wanted(file) and source.is_file():
                    info = zipfile.ZipInfo(f"python/{file.as_posix()}", FIXED_TIME)
                    info.external_attr = (0o100755 if os.access(source, os.X_OK) else 0o100644) << 16
                    info.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(info, source.read_bytes())
    return content.getvalue()


def _wanted(file) -> bool:
    if ".." in file.parts:  # scripts that pip put into bin/
        return False
    if any(part in LEFT_OUT_FOLDERS for part in file.parts[:-1]):
        return False
    return not file.name.endswith(LEFT_OUT_ENDINGS)
