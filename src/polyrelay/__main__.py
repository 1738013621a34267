"""`python -m polyrelay`."""

from polyrelay.cli.main import main

main()
