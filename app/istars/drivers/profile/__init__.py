"""Register maps as data files.

The same loader serves the maps that come with the card (`ups/profiles/*.json`) and those of a user; the keys are described in
`ups/profiles/README.md`. A map with mistakes is refused as a whole, with the line and the reason of each mistake.
"""

from __future__ import annotations

from istars.drivers.profile.declare import Profile
from istars.drivers.profile.loader import parse_profile
from istars.drivers.profile.source import Problem, ProfileError

__all__ = ["Problem", "Profile", "ProfileError", "parse_profile"]
