"""Talking to devices: transports, framing, tables of protocols, and the engine that runs every table."""
