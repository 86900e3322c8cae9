"""Options of the card, each declared once in `groups/`; read and written as `system_config.csv`."""

from __future__ import annotations

from istars.settings.store import Change, Settings, SettingsFile, SettingsRejected, load

__all__ = ["Change", "Settings", "SettingsFile", "SettingsRejected", "load"]
