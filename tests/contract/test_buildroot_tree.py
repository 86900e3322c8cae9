"""The image's sources hold together. All of it without Buildroot; `make check-buildroot` asks Buildroot itself."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
EXTERNAL = TREE / "buildroot-external"
BOARDS = sorted(path for path in (EXTERNAL / "boards").iterdir() if path.name != "common")
PACKAGES = sorted((EXTERNAL / "package").iterdir())
DEFCONFIGS = sorted((EXTERNAL / "configs").iterdir())
DEVICE_TREES = sorted(EXTERNAL.rglob("*.dts"))
LINE = re.compile(r"BR2_\w+=(y|\d+|\"[^\"]*\")|# BR2_\w+ is not set")
OWN_BOARD_LINES = (
    "BR2_ROOTFS_POST_SCRIPT_ARGS",
    "BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES",
    "BR2_LINUX_KERNEL_CUSTOM_DTS_DIR",
    "BR2_ISTARS_BOARD",
)


def tracked() -> list[Path]:
    """The files of the project: those of git and those that wait to be added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TREE,
        capture_output=True,
        check=True,
    ).stdout
    return [TREE / name for name in listed.decode().split("\0") if name and (TREE / name).is_file()]


def script_text(path: Path) -> str:
    """The file if it is a shell script, else nothing."""
    head = path.read_bytes()[:64]
    return path.read_text(encoding="utf-8") if re.match(rb"#!(/usr)?/bin/(env )?(sh|bash)\b", head) else ""


SCRIPTS = [path for path in tracked() if script_text(path)]


def test_shellcheck_has_nothing_to_say():
    assert len(SCRIPTS) > 5
    words = ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", "--exclude=SC1091", *SCRIPTS]
    done = subprocess.run(words, cwd=TREE, capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(TREE)))
def test_a_script_can_be_run(path: Path):
    assert path.stat().st_mode & 0o111


def test_no_private_key_is_in_the_tree():
    tests = TREE / "tests"
    found = [
        path
        for path in tracked()
        if tests not in path.parents and re.search(rb"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----", path.read_bytes())
    ]
    assert found == []


def test_the_tree_has_the_name_that_its_files_use():
    described = dict(
        line.split(": ", 1) for line in (EXTERNAL / "external.desc").read_text(encoding="utf-8").splitlines()
    )
    assert described["name"] == "ISTARS"


def test_every_package_is_complete_and_taken_in():
    sourced = re.findall(
        r'source "\$BR2_EXTERNAL_ISTARS_PATH/(\S+)"', (EXTERNAL / "Config.in").read_text(encoding="utf-8")
    )
    assert sorted(sourced) == [f"package/{path.name}/Config.in" for path in PACKAGES]
    for path in PACKAGES:
        upper = path.name.upper().replace("-", "_")
        recipe = (path / f"{path.name}.mk").read_text(encoding="utf-8")
        assert f"config BR2_PACKAGE_{upper}\n" in (path / "Config.in").read_text(encoding="utf-8")
        assert re.findall(r"^\$\(eval \$\(([a-z-]+)\)\)$", recipe, re.MULTILINE) == ["python-package"]
        assert f"{upper}_LICENSE = " in recipe
        if f"{upper}_SITE_METHOD = local" not in recipe:
            version = re.search(rf"^{upper}_VERSION = (\S+)$", recipe, re.MULTILINE)
            assert version is not None
            hashes = (path / f"{path.name}.hash").read_text(encoding="utf-8")
            assert re.search(rf"^sha256  [0-9a-f]{{64}}  \S+-{re.escape(version[1])}\.tar\.gz$", hashes, re.MULTILINE)


def test_every_own_symbol_that_is_used_exists():
    texts = [path.read_text(encoding="utf-8") for path in [*EXTERNAL.rglob("Config.in"), *DEFCONFIGS]]
    defined = set(re.findall(r"^config (\w+)$", "\n".join(texts), re.MULTILINE))
    own = {f"BR2_PACKAGE_{path.name.upper().replace('-', '_')}" for path in PACKAGES}
    assert own <= defined
    used = set(re.findall(r"\bBR2_(?:ISTARS_\w+|PACKAGE_ISTARS_\w+)\b", "\n".join(texts)))
    assert used <= defined


@pytest.mark.parametrize("path", DEFCONFIGS, ids=lambda path: path.name)
def test_a_configuration_is_well_formed(path: Path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    names = [re.sub(r"^# | is not set$|=.*$", "", line) for line in lines]
    assert len(names) == len(set(names))
    for value in re.findall(r"\$\(BR2_EXTERNAL_ISTARS_PATH\)/([^\s\"]+)", "\n".join(lines)):
        assert (EXTERNAL / value).exists(), value


def test_cards_differ_in_their_board_alone():
    def common(name: str) -> list[str]:
        lines = (EXTERNAL / "configs" / name).read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith(OWN_BOARD_LINES)]

    assert common("istars_nv_defconfig") == common("istars_qemu_defconfig")


def test_what_all_boards_share_knows_no_processor():
    for path in (EXTERNAL / "boards" / "common").iterdir():
        said = re.findall(
            r"\w*(?:imx|ttymxc|mx6|flexcan|ocotp|omap|stm32)\w*", path.read_text(encoding="utf-8"), re.IGNORECASE
        )
        assert said == [], path.name


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.name)
def test_a_board_says_which_device_has_which_name(path: Path):
    said = json.loads((path / "board.json").read_text(encoding="utf-8"))
    assert said["board"] == path.name
    assert {"compatible", "console", "link", "rs485", "modem", "can", "leds"} <= said.keys()
    tree = "".join(file.read_text(encoding="utf-8") for file in path.rglob("*.dts"))
    for label in said["leds"].values():
        assert f'label = "{label}"' in tree
    # the scripts of the root file system read it line by line
    for name in ("compatible", "link", "rs485", "modem"):
        assert f'\n  "{name}": "{said[name]}",\n' in (path / "board.json").read_text(encoding="utf-8")


def test_firmware_of_one_board_does_not_fit_another():
    fits = [json.loads((path / "board.json").read_text(encoding="utf-8"))["compatible"] for path in BOARDS]
    assert len(fits) == len(set(fits))


def stand_in(source: str) -> str:
    """The device tree with stand-ins for what the kernel's files define: its labels, its constants."""
    body = re.sub(r"^#include.*$", "", source, flags=re.MULTILINE)
    code = re.sub(r"/\*.*?\*/|//[^\n]*|\"[^\"]*\"", "", body, flags=re.DOTALL)
    own = set(re.findall(r"^\s*(\w+):", code, re.MULTILINE))
    labels = sorted(set(re.findall(r"&(\w+)", code)) - own)
    cells = "#address-cells = <1>; #size-cells = <0>; #gpio-cells = <2>; #clock-cells = <1>; gpio-controller;"
    nodes = "".join(f"\t{label}: {label.replace('_', '-')} {{ {cells} }};\n" for label in labels)
    constants = sorted(set(re.findall(r"\b[A-Z][A-Z0-9]+_\w+\b", code)), key=len, reverse=True)
    for number, name in enumerate(constants):
        value = "0 0 0 0 0" if "_PAD_" in name else str(number)
        body = re.sub(rf"\b{name}\b", value, body)
    return body.replace("/dts-v1/;", "/dts-v1/;\n/ {\n" + nodes + "};\n", 1)


def compiled(source: str) -> tuple[int, str]:
    """What the device tree compiler says."""
    words = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", "/dev/null", "-"]
    done = subprocess.run(words, input=source, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("path", DEVICE_TREES, ids=lambda path: path.name)
def test_a_device_tree_compiles(path: Path):
    assert compiled(stand_in(path.read_text(encoding="utf-8"))) == (0, "")


def test_a_device_tree_with_an_error_is_seen():
    text = stand_in(
        DEVICE_TREES[0].read_text(encoding="utf-8").replace("pinctrl_uart1>;", "pinctrl_uart9>;").replace("};", "}", 1)
    )
    assert compiled(text)[0] != 0


def table() -> dict[str, object]:
    return json.loads((TREE / "firmware" / "partitions.json").read_text(encoding="utf-8"))


def medium() -> str:
    """How the medium's image is laid out, as `genimage` reads it."""
    words = [sys.executable, TREE / "scripts/genimage.py", TREE / "firmware/partitions.json", "--uboot", "u-boot.imx"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def places() -> dict[str, tuple[int, int]]:
    """Partition to begin and length in MiB."""
    found = re.findall(r"partition (\S+) \{\n(?:\t\t[^\n]*\n)*?\t\toffset = (\d+)M\n\t\tsize = (\d+)M", medium())
    return {name: (int(at), int(size)) for name, at, size in found}


def test_the_medium_has_the_partitions_of_the_table_without_overlap():
    entries = table()["partitions"]
    assert list(places()) == [entry["name"] for entry in entries]
    end = 0
    for at, size in places().values():
        assert at >= end
        end = at + size


def test_the_boot_loader_and_the_list_of_partitions_lie_before_the_first_partition():
    text = medium()
    at, size = (int(value) for value in re.findall(r"offset = (\d+)K\n\t\tsize = (\d+)K", text)[0])
    moved = int(re.findall(r"gpt-location = (\d+)M", text)[0])
    assert at == 1
    assert (at + size) <= moved * 1024
    assert moved < places()["env"][0]


def test_boot_loader_and_linux_find_the_environment_at_the_same_place():
    fragment = dict(
        line.split("=", 1)
        for line in (EXTERNAL / "boards/common/uboot.fragment").read_text(encoding="utf-8").splitlines()
        if "=" in line
    )
    size = table()["environment"]["size"]
    assert int(fragment["CONFIG_ENV_SIZE"], 16) == size
    assert int(fragment["CONFIG_ENV_OFFSET"], 16) == places()["env"][0] << 20
    assert int(fragment["CONFIG_ENV_OFFSET_REDUND"], 16) == places()["env-red"][0] << 20
    lines = [
        line.split()
        for line in (TREE / "rootfs/etc/fw_env.config").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert lines == [[f"/dev/disk/by-partlabel/{name}", "0x0", hex(size)] for name in ("env", "env-red")]


def test_rauc_names_the_partitions_of_the_table():
    devices = re.findall(
        r"^device=/dev/disk/by-partlabel/(\S+)$",
        (TREE / "firmware/system.conf.in").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert sorted(devices) == ["boot-a", "boot-b", "rootfs-a", "rootfs-b"]
    assert set(devices) <= set(places())


SHIM = """
setenv() { name=$1; shift; eval "$name=\\"\\$*\\""; }
setexpr() { eval "$1=$(printf %x $((0x$2 $3 0x$4)))"; }
test() { if [ "$2" = -gt ]; then [ $(($1)) -gt $(($3)) ]; else [ "$@" ]; fi; }
saveenv() { echo "saved $BOOT_ORDER/$BOOT_A_LEFT/$BOOT_B_LEFT"; }
part() { setenv "$5" 1; }
mmc() { :; }
bootm() { echo "boot $bootargs"; exit; }
reset() { echo reset; exit; }
"""


def started(**environment: str) -> list[str]:
    """What the boot loader's command does with an environment: its own shell is close enough to a POSIX one."""
    made = subprocess.run(
        [EXTERNAL / "boards/common/uboot-env.sh", "imx6ull-nv"], capture_output=True, text=True, check=True
    ).stdout
    built_in = dict(line.split("=", 1) for line in made.splitlines())
    given = "".join(f"{name}='{value}'\n" for name, value in {**built_in, **environment}.items() if name != "bootcmd")
    done = subprocess.run(
        ["dash"], input=SHIM + given + built_in["bootcmd"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_boot_loader_uses_up_a_try_and_notes_it_before_it_starts_a_slot():
    assert started()[0] == "saved A B/2/3"
    assert "root=PARTLABEL=rootfs-a" in started()[-1]
    assert "rauc.slot=A " in started()[-1]


@pytest.mark.parametrize(("environment", "saved", "slot"), [
    ({"BOOT_ORDER": "B A"}, "saved B A/3/2", "B"),
    ({"BOOT_ORDER": "B A", "BOOT_B_LEFT": "0"}, "saved B A/2/0", "A"),
    ({"BOOT_ORDER": "B", "BOOT_B_LEFT": "1"}, "saved B/3/0", "B"),
    ({"BOOT_A_LEFT": "a"}, "saved A B/9/3", "A"),
    ({"BOOT_ORDER": "", "BOOT_A_LEFT": "", "BOOT_B_LEFT": ""}, "saved A B/2/3", "A"),
])  # fmt: skip
def test_the_boot_loader_takes_the_first_slot_in_order_that_has_tries(
    environment: dict[str, str], saved: str, slot: str
):
    said = started(**environment)
    assert said[0] == saved
    assert f"rauc.slot={slot} " in said[-1]


def test_the_boot_loader_gives_all_tries_back_when_none_is_left():
    assert started(BOOT_A_LEFT="0", BOOT_B_LEFT="0") == [
        "no slot has tries left; both get theirs back",
        "saved A B/3/3",
        "reset",
    ]


def test_what_the_boot_loader_writes_may_be_written():
    patch = next((EXTERNAL / "patches/uboot").glob("*.patch")).read_text(encoding="utf-8")
    allowed = set(re.findall(r"(\w+):\w+", "".join(re.findall(r'^\+\s+"(.*)"', patch, re.MULTILINE))))
    files = (TREE / "firmware/uboot/select.cmd", EXTERNAL / "boards/common/boot.cmd")
    commands = re.sub(r"^#.*$", "", "".join(path.read_text(encoding="utf-8") for path in files), flags=re.MULTILINE)
    assigned = set(re.findall(r"\b(?:setenv|setexpr) (\w+)", commands)) | set(
        re.findall(r"part \w+ mmc \S+ \S+ (\w+)", commands)
    )
    assert assigned <= allowed
    assert "bootcmd" not in allowed


def pins() -> dict[str, str]:
    lines = (TREE / "app/requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def buildroot_name(package: str) -> str:
    """Buildroot's folder for a package of PyPI."""
    return {"pyserial": "python-serial"}.get(package, f"python-{package}")


def test_the_versions_that_are_tested_are_those_that_the_image_builds():
    recorded = json.loads((TREE / "tests/fixtures/buildroot/python-packages.json").read_text(encoding="utf-8"))
    built = dict(recorded["packages"])
    for path in PACKAGES:
        version = re.search(
            r"_VERSION = ([\d.]+)$", (path / f"{path.name}.mk").read_text(encoding="utf-8"), re.MULTILINE
        )
        if version:
            built[path.name] = version[1]
    assert {package: built.get(buildroot_name(package)) for package in pins()} == pins()
    assert f"RELEASE={recorded['release']}\nCOMMIT={recorded['commit']}\n" in (TREE / "scripts/buildroot.sh").read_text(
        encoding="utf-8"
    )


def test_the_image_has_every_package_that_the_program_needs():
    needed = tomllib.loads((TREE / "app/pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    selected = set(
        re.findall(r"select BR2_PACKAGE_(\w+)", (EXTERNAL / "package/istars-app/Config.in").read_text(encoding="utf-8"))
    )
    wanted = {buildroot_name(line.split("==")[0]).upper().replace("-", "_") for line in needed}
    assert wanted <= selected


STANDARD = {
    "sqlite3": "SQLITE",
    "ssl": "SSL",
    "zlib": "ZLIB",
    "gzip": "ZLIB",
    "unicodedata": "UNICODEDATA",
    "bz2": "BZIP2",
    "lzma": "XZ",
    "curses": "CURSES",
    "readline": "READLINE",
    "decimal": "DECIMAL",
    "xml.parsers.expat": "PYEXPAT",
    "xml.etree.ElementTree": "PYEXPAT",
}
"""Modules of Python that Buildroot leaves out unless it is asked, to the option that asks."""


def test_the_image_has_every_part_of_python_that_the_program_imports():
    imported = set()
    for path in (TREE / "app/istars").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            imported |= {node.module} if isinstance(node, ast.ImportFrom) and node.module else set()
    selected = set(
        re.findall(
            r"select BR2_PACKAGE_PYTHON3_(\w+)",
            "".join(path.read_text(encoding="utf-8") for path in EXTERNAL.rglob("Config.in")),
        )
    )
    assert {STANDARD[name] for name in imported & STANDARD.keys()} <= selected


def test_accounts_keep_their_numbers():
    """Files on the data partition belong to numbers: an update must not give them to another account."""
    lines = [line.split() for line in (EXTERNAL / "boards/common/users.txt").read_text(encoding="utf-8").splitlines()]
    numbers = [int(line[1]) for line in lines]
    assert len(numbers) == len(set(numbers))
    assert all(900 <= number < 1000 for number in numbers)
    assert {int(line[3]) for line in lines if line[2] == "istars"} == {900}
