"""`make testbed`: the card's image on packages of Debian, for QEMU. Needs root, because it keeps owners and makes devices.

Parts that are there already are not made again; `build/testbed/image.json` says what came of it.
"""

from __future__ import annotations

import os
import sys
import time

from testbed.base import tool_missing
from testbed.image import describe


def main() -> int:
    """Make what is missing."""
    missing = tool_missing()
    if missing:
        sys.exit(f"testbed: missing: apt-get install --no-install-recommends {' '.join(missing)}")
    if os.geteuid() != 0:
        sys.exit("testbed: needs root (mmdebstrap unpacks packages with their owners); try sudo make testbed")
    began = time.monotonic()
    print(f"{describe()} ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
