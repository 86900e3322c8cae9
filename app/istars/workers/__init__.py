"""One file per worker; `base.py` owns the loop, heartbeat and stop. A worker never imports Flask."""
