"""The SNMP agent: what management systems read, write and are told. It reads the live table and imports no driver."""
