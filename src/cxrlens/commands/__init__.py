"""Groups of commands that ``cli.py`` registers: parse, call, print; everything heavy is imported inside them."""
