"""PLASC returns and transfer files as requests: XML to tables of text. `schemas/plasc` says which element is which field."""
