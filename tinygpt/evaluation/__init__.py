"""Evaluation of a model: a ladder of counting models, measures of its texts, and a grade; start at ``evaluate_model``."""

from tinygpt.evaluation.grades import GRADES, Judgement, LossHistory
from tinygpt.evaluation.scores import Evaluation, EvaluationSettings, evaluate_model

__all__ = ["GRADES", "Evaluation", "EvaluationSettings", "Judgement", "LossHistory", "evaluate_model"]
