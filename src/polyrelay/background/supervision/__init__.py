"""Several worker processes behind one listening socket, kept alive by a parent that does nothing else.

The parent's half (`supervisor`, `worker`) imports the standard library only, so that it stays small; the worker's half
is `tether` and `place`. The two are joined by a socket pair: whichever end is closed, by a crash too, the other sees.
"""
