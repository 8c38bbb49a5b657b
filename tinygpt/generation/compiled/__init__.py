"""Generation as one compiled loop: the cache, the model and the choice of the token, without Python between tokens.

    products.py   a few rows times a matrix that is read once
    token.py      one more token of some rows through the model
    choice.py     the choice of the next token
    loop.py       the loop over tokens
    rows.py       the sequences of a generation, and the loop's turn between two readings

Numba is imported with these modules, all but the last of which Python never calls by itself.
"""
