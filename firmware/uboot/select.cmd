# Which slot to start: the first of BOOT_ORDER that has tries left; one of them is used up now and given back by `rauc status
# mark-good`. RAUC writes the tries in hexadecimal, and setexpr counts so. Sets `slot` (A or B) and `label` (a or b); whoever
# includes this saves the environment next. Where no tries are left anywhere, both slots get theirs back: a card that tries
# for ever can be reached again, one that stops cannot.
setenv slot
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3
for candidate in ${BOOT_ORDER}; do
	if test -z "${slot}" && test "${candidate}" = A && test 0x${BOOT_A_LEFT} -gt 0; then
		setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
		setenv slot A
		setenv label a
	fi
	if test -z "${slot}" && test "${candidate}" = B && test 0x${BOOT_B_LEFT} -gt 0; then
		setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
		setenv slot B
		setenv label b
	fi
done
if test -z "${slot}"; then
	echo "no slot has tries left; both get theirs back"
	setenv BOOT_A_LEFT 3
	setenv BOOT_B_LEFT 3
fi
