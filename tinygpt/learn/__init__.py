"""For learners: a GPT in one file, to read from top to bottom."""
