"""The journal files of workers: frames, files with their locks, and the folder they lie in."""
