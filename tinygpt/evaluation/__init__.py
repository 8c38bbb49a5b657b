"""Evaluation of a model: its place among counting models, measures of its texts, a grade; see ``evaluate_model``."""

from tinygpt.evaluation.grades import GRADES, Judgement, LossHistory
from tinygpt.evaluation.scores import Evaluation, EvaluationSettings, evaluate_model

__all__ = ["GRADES", "Evaluation", "EvaluationSettings", "Judgement", "LossHistory", "evaluate_model"]
