"""What the store holds as tables, for spreadsheets, notebooks and other tools."""
