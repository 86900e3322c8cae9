"""GSM modems: what stands in a short message (`pdu.py`), and the commands that send and read it (`modem.py`)."""
