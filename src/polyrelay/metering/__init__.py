"""What a call costs: dated tariffs, the upper bound before a call, the exact charge after it. Pure arithmetic on
integers; knows no account, no balance and no database, and refuses to guess a price.
"""
