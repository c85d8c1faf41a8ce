"""The workshop: torch definitions, training and export. The service reads only the files written here."""
