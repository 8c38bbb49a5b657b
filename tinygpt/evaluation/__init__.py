"""Evaluation of a model: its place among counting models, measures of its texts, a grade; see ``scores``.

The package imports none of its modules: most programs that import ``tinygpt`` evaluate nothing.
"""
