"""The index of a channel of firmware, and its files under the names that hold their version.

    channel-index.py --channel stable --folder public/stable iStars.tar.gz ...

Adds the packages to the index in the folder, or begins one; what is offered already stays, a version once offered never changes.
Upload the packages first and the index last. Format: firmware/channel.schema.json, which the card's own reader checks here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

TREE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TREE / "app")]

from istars.errors import IStarsError  # noqa: E402 - the tree must be on the path first
from istars.model.release import FORMAT, NOTES_LIMIT, read_index  # noqa: E402
from istars.model.versions import version  # noqa: E402
from istars.store.package import PRODUCT, unpack  # noqa: E402


def release_of(path: Path) -> dict[str, Any]:
    """What the index says of a package. Raises IStarsError for what a card would not unpack."""
    with path.open("rb") as file:
        manifest, _changes = unpack(file, lambda _piece: None, lambda _manifest: None)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "version": manifest.version,
        "file": f"iStars-{manifest.version}.tar.gz",
        "size": path.stat().st_size,
        "sha256": digest,
        "compatible": list(manifest.compatible),
        "min_version": manifest.min_version,
        "notes": manifest.notes[:NOTES_LIMIT],
    }


def main() -> int:
    """Add to the index."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--channel", required=True, help="such as stable")
    parser.add_argument("--folder", required=True, type=Path, help="what the server shows as <address>/<channel>/")
    parser.add_argument("packages", nargs="+", type=Path, metavar="iStars.tar.gz")
    options = parser.parse_args()
    index = options.folder / "index.json"
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        releases = json.loads(index.read_bytes())["releases"] if index.exists() else []
        for path in options.packages:
            new = release_of(path)
            known = next((each for each in releases if each["version"] == new["version"]), None)
            if known is not None and known["sha256"] != new["sha256"]:
                sys.exit(
                    f"channel-index: {new['version']} is offered already, with other contents; give it a new version"
                )
            if known is None:
                shutil.copyfile(path, options.folder / new["file"])
                releases.append(new)
        releases.sort(key=lambda each: version(each["version"]), reverse=True)
        said = {"format": FORMAT, "product": PRODUCT, "channel": options.channel, "releases": releases}
        content = json.dumps(said, indent=2, ensure_ascii=False).encode() + b"\n"
        read_index(content, options.channel)
    except (IStarsError, OSError) as error:
        sys.exit(f"channel-index: {error}")
    made = index.with_name("index.json.new")
    made.write_bytes(content)
    made.replace(index)
    print(f"{index}: {', '.join(each['version'] for each in releases)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
