"""PLASC returns and transfer files as requests: XML into tables of text. Which element is which field: `schemas/plasc`."""
