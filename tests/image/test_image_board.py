"""One start on QEMU's i.MX6UL: the drivers of the reference card's processor, below the same root file system."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest import Guest, Image
from stories import signed_in

SERIAL = "NV26110042"
BUS = "/soc/bus@2100000"
EEPROM = 0x50
EEPROM_SIZE = 4096


def device_tree(source: Path, folder: Path) -> Path:
    """That of NXP's board, with the parts of a card on its I2C bus."""
    out = folder / "board.dtb"
    out.write_bytes(source.read_bytes())
    for name, compatible, address in (("eeprom", "atmel,24c32", EEPROM), ("rtc", "dallas,ds1338", 0x68)):
        node = f"{BUS}/i2c@21a0000/{name}@{address:x}"
        subprocess.run(["fdtput", "-p", "-t", "s", out, node, "compatible", compatible], check=True)
        subprocess.run(["fdtput", "-t", "x", out, node, "reg", f"{address:x}"], check=True)
    return out


@pytest.fixture(scope="module")
def card(image: Image, shared: Path) -> Iterator[Guest]:
    """The card on the other machine; its kernel is started directly, QEMU has no boot loader for it."""
    if not image.board:
        pytest.skip("this image has no kernel for mcimx6ul-evk of its own beside the other one")
    folder = shared / "board"
    folder.mkdir()
    medium = image.medium(folder / "medium.qcow2")
    # QEMU takes an SD card only in a size that is a power of two
    subprocess.run(["qemu-img", "resize", "-q", medium, "2G"], check=True)
    (folder / "eeprom").write_bytes(f"iStars1 {SERIAL}\n".encode().ljust(EEPROM_SIZE, b"\xff"))
    board = copy.copy(image)
    board.arguments = [
        "-M", "mcimx6ul-evk", "-m", "256", "-kernel", image.board["kernel"],
        *(["-initrd", image.board["initrd"]] if "initrd" in image.board else []),
        "-dtb", str(device_tree(Path(image.board["dtb"]), folder)),
        "-append", "console=ttymxc0,115200 root=PARTLABEL=rootfs-a rootwait ro init=/sbin/init-istars rauc.slot=A panic=5"
        " norandmaps",  # as scripts/testbed/boot.cmd
        "-drive", "if=sd,format=qcow2,file={disk}",
        "-drive", f"if=none,id=eeprom,format=raw,file={folder / 'eeprom'}",
        "-device", f"at24c-eeprom,bus=i2c-bus.0,address={EEPROM:#x},rom-size={EEPROM_SIZE},drive=eeprom",
        "-device", "ds1338,bus=i2c-bus.0,address=0x68",
        "-nic", "user", "-nic", "user,{forward}",
    ]  # fmt: skip
    made = Guest(board, folder, medium)
    made.start("-serial", "chardev:ups")
    yield made
    made.close()


def test_the_card_is_called_by_the_number_in_its_eeprom(card: Guest) -> None:
    card.wait_for(f"this card is called istars-{SERIAL}\n")
    assert "ds1307" in card.console()


def test_the_ups_is_read_through_the_uart_of_the_processor(card: Guest) -> None:
    card.wait_for_pages()
    owner = signed_in(card)
    owner.json("/api/v1/settings", {"settings": {"ups.device": "/dev/ttymxc1"}}, "PATCH")

    def read() -> bool:
        rows = {row["name"]: row for row in owner.json("/api/v1/readings")["readings"]}
        return "input.voltage" in rows and not rows["input.voltage"]["stale"]

    card.until(read, "a reading of the UPS")
