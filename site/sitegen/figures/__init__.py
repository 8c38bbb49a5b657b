"""The registry of figures by name. A new figure is a new file and a row here."""

from __future__ import annotations

from types import MappingProxyType

from sitegen.figures import (
    accelerator,
    breakdown,
    clinic,
    generation,
    kernel_forms,
    learning_rate,
    loss,
    memory,
    peers,
    race,
    roofline,
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
from sitegen.rows.accelerators import COMMAND as ACCELERATOR_COMMAND
from sitegen.rows.clinic import CLINIC_COMMAND
from sitegen.rows.curves import steps_and_failures
from sitegen.rows.history import COMMAND as HISTORY_COMMAND
from sitegen.rows.peers import GENERATION_COMMAND, TRAINING_COMMAND

__all__ = ["FIGURES", "Figure"]

_QUICK_COMMAND = "invoke bench --suite quick"
_KERNELS_COMMAND = "invoke bench --kernels"

_FIGURES = (
    Figure(
        "speedup",
        "How much faster, and at what size",
        "How many times as fast as a baseline a training step is, by the model's size. Medians; ratios within one run.",
        "A solid line is measured, a band an interval. A full point is stable, a hollow one noisy or unresolved. "
        "Crosses are cells that failed. Ratios below the axis are written at the bottom. Dashed lines were not "
        "measured: a cost model projects them. No engine can enter the grey band, the time of the matrix products "
        "alone. Peers are grey until you point at them.",
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
        "hollow one noisy or unresolved. Crosses are cells that failed. Dashed lines were not measured: a cost "
        "model projects them. No engine can enter the grey band, the time of the matrix products alone.",
        needs="one measured cell",
        command=_QUICK_COMMAND,
        module=step_time,
        tabulated=steps_and_failures,
    ),
    Figure(
        "roofline",
        "How close to the limit",
        "The time of the matrix products alone as a share of each engine's step, measured in the same run.",
        "The rest is everything else. At the smallest models calling the product costs about as much as multiplying.",
        needs="engines measured beside a peer and the matrix products alone in one run",
        command=TRAINING_COMMAND,
        module=roofline,
    ),
    Figure(
        "breakdown",
        "Where a step of the fast engine goes",
        "Wall time of a training step of vectorized with its defaults, part by part, averaged over the workers.",
        "Dispatch is the rest of the step: waiting for the other workers, handing out work, Python in between.",
        needs="a step of vectorized timed part by part",
        command=_KERNELS_COMMAND,
        module=breakdown,
    ),
    Figure(
        "kernel_forms",
        "NumPy against NumExpr, kernel by kernel",
        "Time of a fused kernel per number on one thread; further left is faster.",
        "Operands lie in the cache, as between two products of a step, or in memory, as in the optimiser's passes "
        "over large models.",
        needs="the fused kernels timed in both forms",
        command=_KERNELS_COMMAND,
        module=kernel_forms,
    ),
    Figure(
        "variants",
        "What each idea buys",
        "Step time of numpy over that of each stage, within one run.",
        "One thread: buffers, fused kernels in tiles, folded norms, blocked attention. Threads, and by default "
        "processes where they can be forked: the batch spread over workers. Plain Python is far below the frame; "
        "its ratio is written at the edge.",
        needs="numpy and vectorized, on one thread and on all, in one run",
        command=variants.BENCH_COMMAND,
        module=variants,
    ),
    Figure(
        "memory",
        "Peak memory",
        "The most memory that the training process held, by the model's size (its own high-water mark).",
        "The grey band is below a formula: four float32 numbers for each parameter (weight, gradient, two AdamW "
        "moments).",
        needs="one measured cell with its peak memory",
        command=_QUICK_COMMAND,
        module=memory,
    ),
    Figure(
        "history",
        "The fast engine, commit by commit",
        "How many times as fast as numpy a training step of vectorized is, as it was at each commit. One run.",
        "Every commit took turns with the others and with the numpy of the checkout that measured, which is the last "
        "commit. Bands are intervals.",
        needs="the landmarks measured in one run",
        command=HISTORY_COMMAND,
        module=history,
    ),
    Figure(
        "machines",
        "The same on other machines",
        "How many times as fast as numpy a training step of vectorized is, by the model's size. Ratios within one run.",
        "Each line is a machine. Lines whose name begins with contributed are other people's measurements: they were "
        "checked, and no number on any other page rests on them.",
        needs="a contributed machine",
        command="invoke results add FILE",
        module=machines,
    ),
    Figure(
        "generation",
        "How fast it writes",
        "Tokens a second of one text, greedy, with a key-value cache, prompt and re-reading included.",
        "Bands are intervals, crosses at the left are generators that failed.",
        needs="generation measured beside a peer in one run",
        command=GENERATION_COMMAND,
        module=generation,
    ),
    Figure(
        "loss",
        "Loss against wall time",
        "Nats per token over minutes of training: training loss, and loss on text the model never saw.",
        "The thin lines are training loss, averaged over consecutive steps; those with points are loss on text "
        "the model never saw. When the two diverge, the model has begun to memorize.",
        needs="one training run",
        command="invoke train --preset small --corpus shakespeare --record",
        module=loss,
        tabulated=loss.tabulated,
    ),
    Figure(
        "peers",
        "Against its peers: a training step",
        "Each peer's step time over ours, by the model's size, within one run; above 1× we are faster.",
        "Above the line at 1× vectorized is faster. No peer can enter the grey band, the time of the matrix "
        "products alone.",
        needs="the vectorized engine measured beside a peer in one run",
        command=TRAINING_COMMAND,
        module=peers,
    ),
    Figure(
        "accelerator",
        "An accelerator beside the processor",
        "Milliseconds of a training step, by the model's size; the same presets, batches and float32 on both.",
        "A ring marks the size at which an accelerator's curve meets our fast engine's on the processor. The two "
        "are two machines, and each line is named with its chip. The buttons also show the rate of the matrix "
        "products, and, for lines that a cost model fits, dispatch as a share of a step.",
        needs="one preset measured on an accelerator",
        command=ACCELERATOR_COMMAND,
        module=accelerator,
        tabulated=accelerator.tabulated,
    ),
    Figure(
        "race",
        "The same loss, sooner",
        "Held-out loss, nats per byte, over minutes of training.",
        "One recipe, the same batches and starting weights, each engine in its own process, one after the other. "
        "The clock does not run while the held-out loss is computed. The view is cropped to where the race is "
        "decided; the downloads have the rest.",
        needs="a recorded race",
        command="invoke race --preset nanogpt --corpus tinyshakespeare --steps 2000",
        module=race,
    ),
    Figure(
        "learning_rate",
        "Held-out loss over the learning rate",
        "Held-out loss at the end, nats per byte, by the highest rate and its schedule.",
        "Equal steps, text and starting weights; only the rate and its schedule differ. The distance between "
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
        "Norms of gradients in the gallery's Shakespeare model, on two lines of a play.",
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
        "The thin lines are the training loss that the program reports, those with points the held-out loss that "
        "a sound program computes from the same weights. What lies above the frame is drawn on its edge.",
        needs="a run of the clinic",
        command=CLINIC_COMMAND,
        module=clinic,
        tabulated=clinic.tabulated,
    ),
)

FIGURES = MappingProxyType({figure.name: figure for figure in _FIGURES})
