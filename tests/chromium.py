"""Debian's Chromium without its own windows and buttons: pages are drawn by the same engine, for half of the work."""

from __future__ import annotations

from playwright.sync_api import Browser, Playwright

PROGRAM = "/usr/bin/chromium-headless-shell"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch(playwright: Playwright) -> Browser:
    """Start it, with a new and empty profile."""
    return playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
