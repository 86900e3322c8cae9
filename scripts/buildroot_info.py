"""What Buildroot would build, against what the card says it runs: `buildroot_info.py SHOW_INFO SBOM`.

SHOW_INFO is the answer of `make show-info`, SBOM that of `utils/generate-cyclonedx`. Every package has a licence and is among the
parts, and the Python packages have the versions of app/requirements.txt.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
RENAMED = {"pyserial": "python-serial"}
"""Python packages whose name in Buildroot is not `python-` and their own."""


def required() -> dict[str, str]:
    """Package in Buildroot to the version that app/requirements.txt pins."""
    lines = (TREE / "app" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==", 1) for line in lines if "==" in line)
    return {RENAMED.get(name, f"python-{name}"): version for name, version in pinned.items()}


def complaints(packages: dict[str, dict[str, object]], parts: set[str]) -> list[str]:
    """What is wrong, a line each."""
    wrong = []
    for name, package in sorted(packages.items()):
        if package.get("virtual") or package.get("type") == "rootfs":
            continue
        if package.get("downloads") and not package.get("licenses") and not name.startswith("toolchain"):
            wrong.append(f"{name} has no licence")
        if package.get("type") == "target" and package.get("downloads") and name not in parts:
            wrong.append(f"{name} is not in the list of parts")
    if "istars-app" in packages:
        for name, version in required().items():
            built = packages.get(name, {}).get("version")
            if built != version:
                wrong.append(f"{name}: app/requirements.txt pins {version}, Buildroot builds {built or 'none'}")
    return wrong


def main() -> int:
    """Compare, and say what is wrong."""
    info, sbom = (Path(path) for path in sys.argv[1:3])
    packages = json.loads(info.read_text(encoding="utf-8"))
    parts = {re.sub(r"^.*/", "", part["name"]) for part in json.loads(sbom.read_text(encoding="utf-8"))["components"]}
    wrong = complaints(packages, parts)
    for line in wrong:
        print(f"{info.stem}: {line}", file=sys.stderr)
    print(f"{info.stem}: {len(packages)} packages, {len(parts)} parts")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
