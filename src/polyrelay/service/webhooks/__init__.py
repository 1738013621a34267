"""Calls to customers' own addresses when their jobs end: judged, signed, tried again, and written down."""
