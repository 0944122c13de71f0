"""The terminal: the command `uln`.

Belongs here: commands, their arguments, and how results are printed. Does not belong here: decisions and computation
(`tasks`), or flow runs (`flows.run`). To add a command: a function in the module of its kind and a row `help.<command>` in
`schemas/texts/texts.csv`.
"""
