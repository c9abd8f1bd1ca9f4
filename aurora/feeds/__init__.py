"""One small module per provider: where its data are, and how its bytes become our tables.

Each parser takes the bytes and a name for error messages, and gives a table of
`aurora.feeds.tables` or raises SourceError with one sentence. No endpoint can be reached from CI:
the formats are those that the providers document, and `python -m aurora.sources --check` tries
each one where there is a network.
"""
