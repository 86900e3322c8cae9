"""The card's vocabulary: readings, alarms and commands, each declared once. No input, no output, no imports of ours."""
