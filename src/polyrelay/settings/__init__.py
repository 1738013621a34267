"""What an operator may choose: grouped frozen dataclasses, pure. Read from files by `config`, never by anyone else."""
