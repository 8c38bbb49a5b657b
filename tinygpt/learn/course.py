"""The course: five sittings, and the exercises of each. An exercise is one function of a student's file.

SITTINGS ─► Sitting 3 ─► its stub (stubs/sitting_3.py.txt) and its exercises, each with a check
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from tinygpt.errors import unknown_name
from tinygpt.learn.checks import sitting_1, sitting_2, sitting_3, sitting_4, sitting_5, training
from tinygpt.learn.student import Student


@dataclass(frozen=True)
class Exercise:
    """One function to write.

    Attributes:
        name: the function.
        read: the page and section that it follows from, below docs/.
        check: raises a hint if the student's function is wrong.
        uses: exercises whose functions this one calls, or is compared with; a wrong one waits until they pass.
        seconds: time limit of the check.
    """

    name: str
    read: str
    check: Callable[[Student], None]
    uses: tuple[str, ...] = ()
    seconds: int = 20


@dataclass(frozen=True)
class Sitting:
    """A part of the course.

    Attributes:
        number: from 1.
        title: its subjects.
        exercises: in the order in which they build on each other.
        needs: earlier sittings whose functions its file imports.
    """

    number: int
    title: str
    exercises: tuple[Exercise, ...]
    needs: tuple[int, ...] = ()

    @property
    def file(self) -> str:
        """The name of the student's file."""
        return f"sitting_{self.number}.py"

    @property
    def stub(self) -> str:
        """The text of the student's file before anything is written."""
        return (files("tinygpt.learn") / "stubs" / f"{self.file}.txt").read_text("utf-8")


_ONE = "learn/sitting_1.md"
_LAYERS = (
    "linear_backward", "gelu", "gelu_backward", "layer_norm", "layer_norm_backward", "attention", "attention_backward",
    "split_heads",
)  # fmt: skip
SITTINGS = (
    Sitting(1, "bytes and n-grams", (
        Exercise("to_ids", f"{_ONE}#bytes", sitting_1.to_ids),
        Exercise("inputs_and_targets", f"{_ONE}#the-next-byte", sitting_1.inputs_and_targets),
        Exercise("count_pairs", f"{_ONE}#counting", sitting_1.count_pairs, ("inputs_and_targets",)),
        Exercise("bigram_table", f"{_ONE}#probabilities", sitting_1.bigram_table),
        Exercise("nats_per_byte", f"{_ONE}#the-loss", sitting_1.nats_per_byte, ("inputs_and_targets",)),
    )),
    Sitting(2, "linear, GELU and softmax backward", (
        Exercise("linear_backward", "derivations/linear.md#backward", sitting_2.linear_backward),
        Exercise("gelu", "derivations/gelu.md#forward", sitting_2.gelu),
        Exercise("gelu_backward", "derivations/gelu.md#backward", sitting_2.gelu_backward, ("gelu",)),
        Exercise("cross_entropy", "derivations/cross_entropy.md#softmax", sitting_2.cross_entropy),
        Exercise("cross_entropy_backward", "derivations/cross_entropy.md#cross-entropy",
                 sitting_2.cross_entropy_backward, ("cross_entropy",)),
    )),
    Sitting(3, "layer norm and attention", (
        Exercise("layer_norm", "derivations/layer_norm.md#forward", sitting_3.layer_norm),
        Exercise("layer_norm_backward", "derivations/layer_norm.md#backward", sitting_3.layer_norm_backward,
                 ("layer_norm",)),
        Exercise("attention", "derivations/attention.md#forward", sitting_3.attention),
        Exercise("attention_backward", "derivations/attention.md#backward", sitting_3.attention_backward,
                 ("attention",)),
        Exercise("split_heads", "learn/sitting_3.md#several-heads", sitting_3.split_heads),
    )),
    Sitting(4, "assemble, AdamW, train", (
        Exercise("block_backward", "learn/sitting_4.md#one-block", sitting_4.block_backward, _LAYERS, 60),
        Exercise("backward", "derivations/embedding.md#one-table-used-twice", sitting_4.backward,
                 (*_LAYERS, "cross_entropy", "cross_entropy_backward", "block_backward"), 60),
        Exercise("clip", "derivations/adamw.md#clipping", sitting_4.clip),
        Exercise("learning_rate", "learn/sitting_4.md#the-learning-rate", sitting_4.learning_rate),
        Exercise("adamw", "derivations/adamw.md#the-update", sitting_4.adamw),
        Exercise("train", "learn/sitting_4.md#train", training.train, ("backward", "clip", "adamw"), 300),
    ), needs=(2, 3)),
    Sitting(5, "sample, judge, break", (
        Exercise("score", "learn/sitting_5.md#judge", sitting_5.score),
        Exercise("next_probabilities", "derivations/generation.md#choosing", sitting_5.next_probabilities),
        Exercise("generate", "learn/sitting_5.md#sample", sitting_5.generate, ("next_probabilities",)),
        Exercise("cut_batch", "learn/sitting_5.md#break", sitting_5.cut_batch),
        Exercise("mixing_weights", "learn/sitting_5.md#break", sitting_5.mixing_weights),
        Exercise("residual_backward", "learn/sitting_5.md#break", sitting_5.residual_backward),
    )),
)  # fmt: skip


def exercise_of(name: str) -> tuple[Sitting, Exercise]:
    """Return an exercise by its name, and its sitting."""
    return next((sitting, one) for sitting in SITTINGS for one in sitting.exercises if one.name == name)


def sitting_of(number: int) -> Sitting:
    """Return a sitting by its number.

    Raises:
        UnknownNameError: the course has no such sitting.
    """
    for sitting in SITTINGS:
        if sitting.number == number:
            return sitting
    raise unknown_name("sitting", number, [str(sitting.number) for sitting in SITTINGS], "invoke learn")
