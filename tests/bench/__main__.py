"""`make bench`: every figure of one run beside its goal. Takes about two minutes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import detection, history, instructions, latency, poll_cycle, serial_poll, snmp, stacks, told
from bench.image_start import start_cpu_s
from bench.page import page_latency
from bench.processes import Idle, idle

WATCH_S = 20.0
ROUNDS = 3


def say(text: str = "") -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def verdict(value: float, goal: float) -> str:
    """Whether a figure is within its goal."""
    return "met" if value <= goal else "not met"


def median(values: list[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


def compare_stacks() -> None:
    """Memory, idle cost and start of the card's layouts and of the naive stack, in turn."""
    kinds: dict[str, Callable[[], object]] = {
        "naive": stacks.naive,
        "card": stacks.card,
        "card, workers apart": lambda: stacks.card("apart"),
        "card, as many workers as the naive stack": lambda: stacks.card("grown"),
        "the same, workers apart": lambda: stacks.card("grown apart"),
    }
    starts: dict[str, list[float]] = {name: [] for name in kinds}
    boots: dict[str, list[float]] = {name: [] for name in kinds}
    watched: dict[str, Idle] = {}
    for number in range(ROUNDS):
        for name, make in kinds.items():
            with make() as stack:  # type: ignore[attr-defined]
                starts[name].append(stack.first_answer_s)
                boots[name].append(stack.boot_cpu_s)
                if number == ROUNDS - 1:
                    stacks.settle(stack)
                    watched[name] = idle(stack.living(), WATCH_S)
    for name in kinds:
        seen = watched[name]
        say(f"\n{name}: {len(seen.memory_mb)} processes, {seen.pss_mb:.1f} MB PSS ({seen.private_mb:.1f} private), "
            f"idle {seen.cpu:.2f} % CPU, {seen.wakes:.1f} wake-ups/s, first answer {median(starts[name]):.2f} s, "
            f"CPU until then {median(boots[name]):.2f} s")  # fmt: skip
        for process, memory in seen.memory_mb.items():
            say(
                f"    {process:24} {memory:5.1f} MB  {seen.cpu_percent[process]:5.2f} %  {seen.wakeups[process]:4.1f}/s"
            )
    naive, card, grown = watched["naive"], watched["card"], watched["card, as many workers as the naive stack"]
    memory, cpu = card.pss_mb / naive.pss_mb, card.cpu / naive.cpu
    first, boot = median(starts["card"]) / median(starts["naive"]), median(boots["card"]) / median(boots["naive"])
    say(f"\nG5   memory {memory:.2f}x the naive stack (goal 0.50x, stretch 0.35x): {verdict(memory, 0.5)}; "
        f"with as many workers {grown.pss_mb / naive.pss_mb:.2f}x: {verdict(grown.pss_mb / naive.pss_mb, 0.5)}")  # fmt: skip
    say(f"G6   idle CPU {cpu:.2f}x (goal 0.35x): {verdict(cpu, 0.35)}; "
        f"{card.wakes:.1f} wake-ups/s (goal 8): {verdict(card.wakes, 8)}")  # fmt: skip
    say(f"G7   first answer {first:.2f}x (goal 0.15x): {verdict(first, 0.15)}; CPU until then {boot:.2f}x (goal 0.30x): "
        f"{verdict(boot, 0.3)}")  # fmt: skip


def compare_polls() -> None:
    """One Q1 poll beside pyserial's own reading."""
    found = serial_poll.measure()
    theirs, ours = found["pyserial read_until"], found["iStars"]
    say(f"\nQ1 at 2400 baud, a poll: {ours[0]:.1f} wake-ups and {ours[1]:.0f} us CPU; "
        f"read_until {theirs[0]:.1f} and {theirs[1]:.0f} us")  # fmt: skip
    period = ours[2] / theirs[2] - 1
    say(f"G15  {ours[0]:.1f} wake-ups (goal 2): {verdict(ours[0], 2)}; CPU {ours[1] / theirs[1]:.2f}x (goal 0.20x): "
        f"{verdict(ours[1] / theirs[1], 0.2)}; period {period:+.1%} beside read_until's, which the line sets (goal 5 %): "
        f"{verdict(abs(period), 0.05)}")  # fmt: skip


def compare_agents() -> None:
    """The SNMP agent beside Net-SNMP's."""
    found = snmp.compare()
    for line in snmp.lines(found):
        say(line)
    read = max(found.ratio(kind)[2] for kind in ("GET", "GETNEXT"))
    bulk = found.ratio("GETBULK of 25")[2]
    secure = max(found.ratio(kind)[2] for kind in found.ours.cpu_us if kind.startswith("v3"))
    walk = max(found.walk(kind)[2] for kind in found.ours.walk_s)
    say(f"G1   GET and GETNEXT {read:.2f}x snmpd's CPU (goal 0.50x): {verdict(read, 0.5)}; GETBULK {bulk:.2f}x (goal 0.25x): "
        f"{verdict(bulk, 0.25)}")  # fmt: skip
    say(f"G2   v3 GET, signed and encrypted {secure:.2f}x (goal 1.00x): {verdict(secure, 1)}")
    say(f"G3   a walk by snmpbulkwalk {walk:.2f}x (goal 1.20x): {verdict(walk, 1.2)}")
    core = instructions.measure()
    if core is None:
        say("G4   instructions of an answer: not counted, there is no valgrind")
        return
    one, many = core["GET"], core["GETBULK of 25"]
    say(f"G4   {one:,.0f} instructions a GET (goal 20,000): {verdict(one, 20_000)}; {many:,.0f} a GETBULK of 25 (goal 30,000): "
        f"{verdict(many, 30_000)}")  # fmt: skip


def compare_cycles() -> None:
    """Whole polls beside the wire time of their frames."""
    say("\npolls at 2400 baud beside the wire time of their frames:")
    found = poll_cycle.measure()
    for name, (poll_s, wire_s) in found.items():
        say(f"    {name:14} {poll_s * 1000:6.0f} ms  {wire_s * 1000:6.0f} ms  {poll_s / wire_s:.3f}x")
    worst = max(poll_s / wire_s for poll_s, wire_s in found.values())
    say(f"     slowest {worst:.3f}x the wire (goal 1.1x): {verdict(worst, 1.1)}")


def compare_detection() -> None:
    """The search for a UPS of which nothing is known (DETECTIONS=50 draws so many)."""
    found, draws, middle, longest = detection.measure()
    say(f"\ndetection: {found} of {draws} found, median {middle:.1f} s (goal 10), longest {longest:.1f} s: "
        f"{verdict(middle if found == draws else 1e9, 10)}")  # fmt: skip


def compare_telling() -> None:
    """From the frame that says "on battery" to the mail, the trap and the webhook."""
    found = told.measure()
    limit = found.interval_s * 1000 + 250
    say("\nfrom the UPS's frame that says “on battery”:")
    for channel, after in found.after_ms.items():
        say(f"    to {channel:10} median {median(after):4.0f} ms, slowest {max(after):4.0f} ms of {len(after)} "
            f"(one poll + 250 ms = {limit:.0f} ms): {verdict(max(after), limit)}")  # fmt: skip


def main() -> int:
    """All of it."""
    middle, worst, wakeups = latency.to_another_process(Path(tempfile.mkdtemp(prefix="istars-bench-")))
    say(f"publish to another process: median {middle:.2f} ms, 95 % {worst:.2f} ms")
    say(f"G14  95 % within {worst:.2f} ms (goal 2): {verdict(worst, 2)}; "
        f"{wakeups} wake-ups in 5 idle seconds, of which 1 ends the wait")  # fmt: skip
    compare_polls()
    compare_cycles()
    compare_detection()
    for line in history.lines(history.measure()):
        say(line)
    shown = page_latency()
    say(f"\nmake run to its ready line: {shown.ready_s:.1f} s (goal 5): {verdict(shown.ready_s, 5)}")
    say(f"poll to page: median {median(shown.after_poll_ms):.0f} ms, slowest {max(shown.after_poll_ms):.0f} ms")
    late = max(shown.after_mains_s)
    say(f"mains off to page: median {median(shown.after_mains_s):.2f} s, slowest {late:.2f} s "
        f"(a poll of {shown.interval_s:g} s + 1 s): {verdict(late, shown.interval_s + 1)}")  # fmt: skip
    compare_telling()
    compare_agents()
    compare_stacks()
    started = start_cpu_s()
    say("\nthe image: not measured, there is no test bed (make testbed)" if started is None else
        f"\nthe image: {started:.1f} s of QEMU's CPU from power-on to the sign-in page")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
