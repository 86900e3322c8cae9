"""What a start of the image costs, from power-on until the sign-in page answers, in CPU time of QEMU: it does not depend on what
else the machine does. Without a test bed (`make testbed`) nothing is measured.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.append(str(TREE / "tests" / "image"))

from guest import Guest, Image  # noqa: E402 - the folder must be on the path first


def start_cpu_s(path: Path = TREE / "build" / "testbed" / "image.json") -> float | None:
    """Seconds; None where there is no image."""
    if not path.exists():
        return None
    image = Image(path)
    with tempfile.TemporaryDirectory(prefix="istars-bench-", dir="/dev/shm") as name:
        folder = Path(name)
        card = Guest(image, folder, image.medium(folder / "medium.qcow2"))
        try:
            card.start()
            card.wait_for_pages()
            return card.cpu_s()
        finally:
            card.close()
