"""The registry of figures by name. A new figure is a new file and a row here."""

from __future__ import annotations

from types import MappingProxyType

from sitegen.figures import (
    accelerator,
    breakdown,
    clinic,
    generation,
    kernel_forms,
    memory,
    peers,
    roofline,
    rungs,
    speedup,
    step_time,
    variants,
)
from sitegen.figures.base import Figure
from sitegen.figures.lessons import (
    attention_gradient,
    gelu,
    gradient_depth,
    layer_norm_plane,
    rates,
    score_scale,
    stream_backward,
    stream_growth,
)
from sitegen.figures.record import history, machines
from sitegen.figures.training import learning_rate, loss, minutes, race
from sitegen.rows.accelerators import COMMAND as ACCELERATOR_COMMAND
from sitegen.rows.clinic import CLINIC_COMMAND
from sitegen.rows.curves import steps_and_failures
from sitegen.rows.history import COMMAND as HISTORY_COMMAND
from sitegen.rows.minutes import MINUTES_COMMAND, RACE_COMMAND
from sitegen.rows.peers import GENERATION_COMMAND, TRAINING_COMMAND

__all__ = ["FIGURES", "Figure"]

_QUICK_COMMAND = "invoke bench --suite quick"
_KERNELS_COMMAND = "invoke bench --kernels"

_FIGURES = (
    Figure(
        "speedup",
        "How much faster, and at what size",
        "Speed of a training step relative to a baseline, by the model's size. Medians; ratios within one run.",
        "A solid line is measured, a band an interval. A full point is stable, a hollow one noisy or unresolved. "
        "Crosses are cells that failed. Ratios below the axis are written at the bottom. Dashed lines are projections "
        "of a cost model. The grey band is the limit of the matrix products. Peers are grey until you point at "
        "them.",
        needs="one measured cell",
        command=_QUICK_COMMAND,
        module=speedup,
        tabulated=steps_and_failures,
    ),
    Figure(
        "step_time",
        "Time of one training step",
        "The median time of forward, backward, clipping and the AdamW update of one batch, by the model's size.",
        "Both axes are logarithmic. A solid line is measured, a band an interval. A full point is stable, a "
        "hollow one noisy or unresolved. Crosses are cells that failed. Dashed lines are projections of a cost "
        "model. The grey band is the limit of the matrix products.",
        needs="one measured cell",
        command=_QUICK_COMMAND,
        module=step_time,
        tabulated=steps_and_failures,
    ),
    Figure(
        "roofline",
        "How close to the limit",
        "The time of the matrix products alone as a share of each engine's step, measured in the same run.",
        "The rest of a step is everything else. At the smallest models, a call costs about as much as its product.",
        needs="engines measured beside a peer and the matrix products alone in one run",
        command=TRAINING_COMMAND,
        module=roofline,
    ),
    Figure(
        "breakdown",
        "Where a step of the fast engine goes",
        "Wall time of a training step of vectorized with its defaults, part by part, averaged over the workers.",
        "Dispatch is the rest of the step: distributing work, waiting for other workers, Python in between.",
        needs="a step of vectorized timed part by part",
        command=_KERNELS_COMMAND,
        module=breakdown,
    ),
    Figure(
        "kernel_forms",
        "The forms of each kernel",
        "Time per number of each fused kernel, on one thread; further left is faster.",
        "Operands come from the cache, as between two products of a step, or from memory, as in the optimiser's "
        "passes over large models.",
        needs="the fused kernels timed in each form",
        command=_KERNELS_COMMAND,
        module=kernel_forms,
    ),
    Figure(
        "variants",
        "What each idea buys",
        "Step time of numpy over that of each stage, within one run.",
        "One thread: buffers, fused kernels in tiles, folded norms, blocked attention. Threads, and by default "
        "processes where they can be forked: the batch divided among workers. Numba kernels: the same with the loops "
        "of engine compiled between NumPy's products. Plain Python is far below the frame; "
        "its ratio is written at the edge.",
        needs="numpy and vectorized, on one thread and on all, in one run",
        command=variants.BENCH_COMMAND,
        module=variants,
    ),
    Figure(
        "rungs",
        "What each rung costs and buys",
        "Step time of numpy over that of each rung, within one run, with the lines of code of the rung.",
        "Lines are those of the engine's own files and of the rungs that it uses, counted without empty ones when the "
        "page was built. Plain Python is far below the frame; its ratio is written at the edge.",
        needs="numpy and vectorized, on one thread and on all, in one run",
        command=variants.BENCH_COMMAND,
        module=rungs,
    ),
    Figure(
        "memory",
        "Peak memory",
        "Peak memory of the training process, by the model's size.",
        "The grey band ends at four float32 numbers for each parameter (weight, gradient, two AdamW moments).",
        needs="one measured cell with its peak memory",
        command=_QUICK_COMMAND,
        module=memory,
    ),
    Figure(
        "history",
        "The fast engine, commit by commit",
        "Speed of a training step of vectorized relative to numpy, at each commit. One run.",
        "All commits were measured in turns, beside the numpy of the last one. Bands are intervals.",
        needs="the landmarks measured in one run",
        command=HISTORY_COMMAND,
        module=history,
    ),
    Figure(
        "machines",
        "The same on other machines",
        "Speed of a training step of vectorized relative to numpy, by the model's size. Ratios within one run.",
        "Each line is a machine. Names that begin with contributed are other people's measurements: they were "
        "checked, and no number on another page uses them.",
        needs="a contributed machine",
        command="invoke results add FILE",
        module=machines,
    ),
    Figure(
        "generation",
        "How fast it writes",
        "Tokens per second of one text, greedy, with a key-value cache, prompt and re-reading included.",
        "Bands are intervals. Crosses are generators that failed.",
        needs="generation measured by several programs in one run",
        command=GENERATION_COMMAND,
        module=generation,
    ),
    Figure(
        "loss",
        "Loss against wall time",
        "Training loss and loss on held-out text, nats per byte, over minutes of training.",
        "Thin lines are training loss, averaged over consecutive steps; lines with points are loss on text that the "
        "model never saw. When the two diverge, the model has begun to memorize.",
        needs="one training run",
        command="invoke train --preset small --corpus shakespeare --record",
        module=loss,
        tabulated=loss.tabulated,
    ),
    Figure(
        "peers",
        "Against its peers: a training step",
        "Each peer's step time over ours, by the model's size, within one run; above 1× we are faster.",
        "Above the line at 1×, our engine is faster. The grey band is the limit of the matrix products.",
        needs="our engine measured beside a peer in one run",
        command=TRAINING_COMMAND,
        module=peers,
    ),
    Figure(
        "accelerator",
        "An accelerator beside the processor",
        "Milliseconds of a training step, by the model's size; the same presets, batches and float32 on both.",
        "A ring marks the size at which an accelerator's curve crosses that of our fast engine on the processor. "
        "These are two machines, and each line is named with its chip. The buttons also show the rate of the matrix "
        "products and, for lines that a cost model fits, dispatch as a share of a step.",
        needs="one preset measured on an accelerator",
        command=ACCELERATOR_COMMAND,
        module=accelerator,
        tabulated=accelerator.tabulated,
    ),
    Figure(
        "race",
        "The same loss, sooner",
        "Held-out loss, nats per byte, over minutes of training.",
        "Programs of one recipe have the same batches and starting weights. Each runs in its own process, one after "
        "the other. The clock stops while the held-out loss is computed. The view shows only where the race is "
        "decided; the downloads have the rest.",
        needs="a recorded race",
        command=RACE_COMMAND,
        module=race,
    ),
    Figure(
        "minutes",
        "Held-out loss over the minutes of runs by the clock",
        "Held-out loss, nats per byte, over the minutes since the run began.",
        "Each line is one command that ended after its minutes. The rate falls to 0 over that time, so the loss "
        "falls most at the end. The last point of a line is the loss on all of the held-out text, the others on a "
        "part of it.",
        needs="a run by the clock",
        command=MINUTES_COMMAND,
        module=minutes,
    ),
    Figure(
        "learning_rate",
        "Held-out loss over the learning rate",
        "Held-out loss at the end of training, nats per byte, by the highest rate and the schedule.",
        "Steps, text and starting weights are equal; only the rate and its schedule differ. The distance between "
        "constant with and without a warm-up is the cost of the first hundred updates at that rate.",
        needs="a recorded sweep",
        command="invoke sweep --preset tiny --corpus shakespeare --steps 2000",
        module=learning_rate,
    ),
    Figure(
        "gelu",
        "GELU and its derivative",
        "Both functions over x, by the library's forward and backward.",
        "max(0, x) is the function that GELU smooths.",
        module=gelu,
        tabulated=gelu.tabulated,
    ),
    Figure(
        "layer_norm_plane",
        "What layer norm projects",
        "Rows of three numbers, seen along the direction (1, 1, 1).",
        "The cross is the direction (1, 1, 1). Small circles are rows without their mean. Dividing by the "
        "deviation moves each to the large circle. Rows 2 and 3 differ by a factor and a shift, and end at one "
        "point. Of a gradient, the backward keeps what lies along the circle.",
        module=layer_norm_plane,
    ),
    Figure(
        "attention_gradient",
        "Four positions attend, and what the loss wants changed",
        "The weights of four queries on four keys, and the gradients of the loss.",
        "The loss asks each query for more of one weight. A descent lowers the scores with a positive gradient "
        "and raises those with a negative one. The future has no weight and no gradient. The first query has one "
        "key and nothing to choose.",
        module=attention_gradient,
    ),
    Figure(
        "score_scale",
        "To how many positions a query attends",
        "e to the entropy of the weights, by the width of a head; 32 positions are visible.",
        "Random queries and keys from N(0, 1); 32 positions are visible. The number is e to the entropy of the "
        "weights: 32 if all are equal, 1 if one has everything.",
        module=score_scale,
    ),
    Figure(
        "stream_growth",
        "How the stream grows in an untrained model",
        "Standard deviation of the stream after each branch of 12 blocks of width 64.",
        "12 blocks of width 64, so 24 branches are added one after the other. The stream begins as the sum of two "
        "embeddings.",
        module=stream_growth,
    ),
    Figure(
        "gradient_depth",
        "The gradient on its way back through 24 branches",
        "Norm of the stream's gradient after each branch of an untrained model, in double precision.",
        "Read from right to left: the gradient begins at the last branch. The table also has the mean cosine "
        "between two positions of the stream.",
        module=gradient_depth,
    ),
    Figure(
        "stream_backward",
        "The backward along the stream",
        "Norms of gradients in the gallery's model of Shakespeare's bytes, on two lines of a play.",
        "Read from the bottom to the top. On the left is the norm of dx, beside it that of the gradient which a "
        "branch adds. Norms do not add up: directions differ.",
        module=stream_backward,
    ),
    Figure(
        "rates",
        "The learning rate by recipe",
        "The rate of each update in a run of 2,000 at small, by the library's schedule.",
        "Constant, after a warm-up, and with a cosine after it.",
        module=rates,
        tabulated=rates.tabulated,
    ),
    Figure(
        "clinic",
        "What failures look like",
        "Loss in nats per byte over training steps: one small model, equal starting weights, one fault in each run.",
        "Thin lines are the training loss that the program reports; lines with points are the held-out loss that "
        "a correct program computes from the same weights. Values above the frame are drawn on its edge.",
        needs="a run of the clinic",
        command=CLINIC_COMMAND,
        module=clinic,
        tabulated=clinic.tabulated,
    ),
)

FIGURES = MappingProxyType({figure.name: figure for figure in _FIGURES})
