"""How well a model writes, and how much of it is memory: ``evaluate_model`` is the way in."""

from tinygpt.evaluation.scores import Evaluation, EvaluationSettings, evaluate_model

__all__ = ["Evaluation", "EvaluationSettings", "evaluate_model"]
