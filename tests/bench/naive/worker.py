"""One job of the naive stack: imports what the job needs and shares 60 readings through SQLite once a second."""

from __future__ import annotations

import importlib
import json
import logging
import sqlite3
import sys
import time

IMPORTS = {
    "ups": ["serial"],
    "rs485": ["serial"],
    "can": ["socket"],
    "leds": ["smbus2"],
    "scheduler": ["schedule"],
    "notifier": ["smtplib", "ssl", "email.message", "urllib.request"],
    "snmp": ["pysnmp.entity.engine", "pysnmp.carrier.asyncio.dgram.udp", "asyncio"],
}


def main() -> None:
    job, path = sys.argv[1], sys.argv[2]
    modules = [importlib.import_module(name) for name in IMPORTS[job]]
    if job == "snmp":
        modules[0].SnmpEngine()
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    db.execute("CREATE TABLE IF NOT EXISTS reading (name TEXT PRIMARY KEY, value, at)")
    number = 0
    while True:
        number += 1
        if job == "ups":
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT OR REPLACE INTO reading VALUES (?, ?, ?)",
                [(f"reading.{index}", number * index % 997, time.monotonic()) for index in range(60)],
            )
            db.execute("COMMIT")
        else:
            json.dumps(db.execute("SELECT name, value FROM reading").fetchall())
        # Half of the idle price of pysnmp is its own timer of 0.1 s.
        for _ in range(10 if job == "snmp" else 1):
            time.sleep(0.1 if job == "snmp" else 1)


if __name__ == "__main__":
    logging.basicConfig()
    main()
