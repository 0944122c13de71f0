"""The documents that are held to the code, and to one another: the table of letters, the guides in two languages.

`make letters` writes `docs/letters.md` anew; a test says when it is out of date.
"""
