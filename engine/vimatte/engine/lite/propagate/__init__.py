"""`lite.propagate`: masks of people carried through a shot by a network whose weights come with the program."""
