"""The command line over the network (SSH): whether it is open, and which keys may sign in."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

KEYS = 4

GROUP = Group(
    "ssh",
    "Command line (SSH)",
    (
        Section(
            "Access",
            (
                Field(
                    "ssh.enabled",
                    Type.SWITCH,
                    False,
                    "Open the command line",
                    "Port 22, from every network that reaches the card. There is no password: only the keys below sign in.",
                    applies="system",
                    administrator=True,
                ),
            ),
            "Whoever signs in may do what an administrator may do on these pages, and nothing to the operating system.",
        ),
        Section(
            "Keys",
            tuple(
                Field(
                    f"ssh.key.{number}",
                    Type.KEY,
                    "",
                    f"Public key {number}",
                    "One line of a .pub file, such as ssh-ed25519 AAAA… ann@laptop." if number == 1 else "",
                    applies="system",
                    administrator=True,
                )
                for number in range(1, KEYS + 1)
            ),
            "Changing one of them ends everybody's command line.",
        ),
    ),
    help="For scripts, and for people who like to type: readings, events, settings, firmware.",
)
