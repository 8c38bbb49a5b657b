"""The checks of the exercises, one module a sitting; each check takes a student and raises a hint."""
