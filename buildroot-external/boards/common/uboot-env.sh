#!/bin/sh
# U-Boot's built-in environment, on standard output: the choice of the slot (firmware/uboot/select.cmd) and what the board says
# about memory and medium (boards/BOARD/uboot.env), as one variable `bootcmd`. uboot-env.sh BOARD
set -eu
tree=$(cd "$(dirname "$0")/../../.." && pwd)

# a script of U-Boot's shell as one line: a new line ends a command, except after the words that open a block
one_line() {
	sed -e 's/^[[:space:]]*//' -e '/^#/d' -e '/^$/d' "$1" |
		awk '{ printf "%s%s", $0, ($0 ~ /(then|do|else)$/ ? " " : "; ") }'
}

cat "$tree/buildroot-external/boards/$1/uboot.env"
echo "BOOT_ORDER=A B"
echo "BOOT_A_LEFT=3"
echo "BOOT_B_LEFT=3"
printf 'bootcmd=%s%s\n' "$(one_line "$tree/firmware/uboot/select.cmd")" "$(one_line "$tree/buildroot-external/boards/common/boot.cmd")"
