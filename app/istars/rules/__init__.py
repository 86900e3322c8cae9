"""Readings become alarms, alarms become events."""
