"""What an object store keeps of data/prepared: its manifests' files, by the name under which `dvc.lock` records it.

With it, `sprout gc` knows what a commit needs, without DVC's cache of that commit.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from sprout.data.store_manifest import MANIFEST
from sprout.runtime.files import read_json
from sprout.runtime.objects import Objects


def record(folder: Path, objects: Objects) -> None:
    """Write the record of a finished data/prepared into the store that has its examples.

    Raises:
        UserError: the store cannot be written to.
    """
    objects.write(record_name(dvc_digest(folder)), json.dumps({"files": sorted(files_of(folder))}).encode())


def record_name(digest: str) -> str:
    """Return the name of the record of a data/prepared with this MD5."""
    return f"{digest}.json"


def files_of(folder: Path) -> set[str]:
    """Return the SHA-256 of the files that the manifests of a data/prepared have in any object store."""
    manifests = [read_json(path) for path in folder.glob(f"*/{MANIFEST}")]
    return {each["sha256"] for manifest in manifests if manifest.get("store") for each in manifest["shards"]}


def dvc_digest(folder: Path) -> str:
    """Return the MD5 that `dvc.lock` will have of a folder, without its `.dir`."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree: Any = Tree()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            tree.add(path.relative_to(folder).parts, None, HashInfo("md5", md5))
    tree.digest()
    return str(tree.hash_info.value).removesuffix(".dir")
