"""The package that people upload: `package.py --bundle B.raucb --version 0.2.0 --compatible istars-nv -o iStars.tar.gz`.

A ustar archive in a gzip stream, with the members that `istars.store.package` takes, in their order. Same input, same bytes: no
names, owners or times of the machine that made it. The card's own unpacker reads the result before it is put in place.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TREE / "app")]

from istars.errors import IStarsError  # noqa: E402 - the tree must be on the path first
from istars.store.package import LIMITS, PACKAGE_LIMIT, PRODUCT, unpack  # noqa: E402


def archive(members: dict[str, bytes]) -> bytes:
    """The members as ustar in gzip."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0, compresslevel=6) as out:
        out.write(plain.getvalue())
    return packed.getvalue()


def main() -> int:
    """Make the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bundle", required=True, type=Path, help="what bundle.py made")
    parser.add_argument("--version", required=True, help="that of the bundle")
    parser.add_argument("--compatible", required=True, action="append", help="for which cards; may be repeated")
    parser.add_argument("--min-version", default="", help="oldest firmware that it may replace")
    parser.add_argument("--notes", default="", help="one line for the page")
    parser.add_argument("--changes", type=Path, help="file CHANGES.txt: what is new, for people")
    parser.add_argument("-o", "--output", required=True, type=Path, help="file to write")
    options = parser.parse_args()
    bundle = options.bundle.read_bytes()
    manifest = {
        "product": PRODUCT,
        "version": options.version,
        "compatible": options.compatible,
        "min_version": options.min_version,
        "notes": options.notes,
        "sha256": hashlib.sha256(bundle).hexdigest(),
        "size": len(bundle),
    }
    changes = options.changes.read_bytes() if options.changes else f"iStars {options.version}\n".encode()
    contents = (json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n", bundle, changes)
    packed = archive(dict(zip(LIMITS, contents, strict=True)))
    try:
        unpack(io.BytesIO(packed), lambda _piece: None, lambda _manifest: None)
    except IStarsError as error:
        sys.exit(f"package: a card would refuse it: {error}")
    new = options.output.with_name(options.output.name + ".new")
    new.write_bytes(packed)
    new.replace(options.output)
    print(f"{options.output}: {options.version}, {len(packed)} of at most {PACKAGE_LIMIT} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
