"""The terminal monitor.

`read` turns the store into a snapshot, `view` turns a snapshot into lines of text, `widgets` and `screens` draw those
lines. Only `read` touches files, and it runs in a thread of its own.
"""
