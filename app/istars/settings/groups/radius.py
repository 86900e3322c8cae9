"""Sign-in by RADIUS: which servers are asked about users that this card does not have, and what these may do."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

GROUP = Group(
    "radius",
    "Sign-in by RADIUS",
    (
        Section(
            "Servers",
            (
                Field(
                    "radius.enabled",
                    Type.SWITCH,
                    False,
                    "Ask RADIUS servers",
                    "About names that no user of this card has. The users of this card always sign in by the card itself.",
                    administrator=True,
                ),
                Field(
                    "radius.servers",
                    Type.LIST,
                    "",
                    "Servers",
                    "One or two names or addresses, with a comma between. The second is asked where the first is silent.",
                    of=Type.HOST,
                    maximum=2,
                    administrator=True,
                ),
                Field(
                    "radius.port",
                    Type.WHOLE,
                    1812,
                    "Port",
                    minimum=1,
                    maximum=65_535,
                    administrator=True,
                ),
                Field(
                    "radius.secret",
                    Type.SECRET,
                    "",
                    "Shared secret",
                    "The one that the servers have for this card: 16 random characters or more. Nobody signs in without one.",
                    maximum=128,
                    administrator=True,
                ),
                Field(
                    "radius.timeout",
                    Type.NUMBER,
                    3.0,
                    "Wait for an answer",
                    unit="s",
                    minimum=0.5,
                    maximum=5,
                    administrator=True,
                ),
                Field(
                    "radius.tries",
                    Type.WHOLE,
                    2,
                    "Tries for each server",
                    minimum=1,
                    maximum=3,
                    administrator=True,
                ),
                Field(
                    "radius.identifier",
                    Type.TEXT,
                    "",
                    "NAS identifier",
                    "How this card names itself to the servers. Empty sends the system name.",
                    maximum=60,
                    administrator=True,
                ),
            ),
            "Answers without a Message-Authenticator are refused (CVE-2024-3596): switch it on at the servers.",
        ),
        Section(
            "Permission",
            (
                Field(
                    "radius.permission",
                    Type.CHOICE,
                    "told",
                    "Users of the servers may",
                    "Filter-Id istars-read, istars-write or istars-administrator; without one, Service-Type NAS-Prompt for "
                    "read only and Administrative for administrator. Nobody gets in whom the server gives none of these.",
                    choices={"told": "what the server says", "read": "read only", "write": "read and write"},
                    administrator=True,
                ),
            ),
            "Their sessions end when one of these settings is changed, or after the Session-Timeout of the server.",
        ),
    ),
    help="For places that keep their users and passwords in one server.",
)
