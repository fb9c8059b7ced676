"""`lite`: the matting network that comes with the program."""
