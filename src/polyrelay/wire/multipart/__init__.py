"""multipart/form-data (RFC 7578): read as it comes without copying files, and written by splicing.

Stricter than the RFC wherever two readers of one body could disagree on what its fields are: what the relay bills and
what the upstream serves must be the same.
"""
