"""What the card keeps: the live table in memory, events and accounts on flash."""
