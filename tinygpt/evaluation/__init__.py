"""Evaluation of a model's writing and memorization; start at ``evaluate_model``."""

from tinygpt.evaluation.scores import Evaluation, EvaluationSettings, evaluate_model

__all__ = ["Evaluation", "EvaluationSettings", "evaluate_model"]
