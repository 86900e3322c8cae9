"""One blueprint per entry of the menu."""
