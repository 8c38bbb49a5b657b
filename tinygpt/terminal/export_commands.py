"""Tasks that write a model for other programs, or in fewer bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinygpt.terminal.model_commands import ModelOptions
from tinygpt.terminal.options import option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ModelOptions):
    """Options of export."""

    format: str = option("onnx", "onnx, gguf or safetensors")
    out: Path | None = option(None, "a new folder, or file of gguf; exports/NAME with the format's ending when omitted")


@task()
def export(options: ExportOptions) -> None:
    """Write a model for onnxruntime, llama.cpp or transformers, and check what was written."""
    from tinygpt.evaluation.subject import load_model
    from tinygpt.export.formats import export_model, find_format

    form = find_format(options.format)
    out = options.out or _default_out(options, form.ending)
    checked = export_model(load_model(options.checkpoint, options.model, options.adapter), form, out)
    print(f"{out}: {checked}\nread by {form.readers}\nnot in it: {form.lacks}")


def _default_out(options: ModelOptions, ending: str) -> Path:
    return Path("exports") / f"{options.model or Path(options.checkpoint or options.adapter).resolve().name}{ending}"


@dataclass(frozen=True, kw_only=True)
class QuantizeOptions(ModelOptions):
    """Options of quantize."""

    out: Path | None = option(None, "a new folder; exports/NAME-int8 when omitted")
    precision: str = option("int8", "int8, a quarter of the size, or float16, half of it")
    corpus: str = option("", "text to measure the loss on; by default the model's own")
    measured: int = option(100_000, "held-out bytes to measure the loss on, spread evenly over the text")


@task()
def quantize(options: QuantizeOptions) -> None:
    """Write a model with one byte a weight instead of four, and measure the loss that it costs."""
    from tinygpt.checkpoints.quantized import CODES
    from tinygpt.corpora import load_corpus
    from tinygpt.evaluation.rounding_cost import save_rounded
    from tinygpt.evaluation.subject import load_subject
    from tinygpt.terminal.quantities import megabytes, percent

    subject = load_subject(options.checkpoint, options.model, options.adapter)
    corpus = load_corpus(subject.corpus_name(options.corpus))
    out = options.out or _default_out(options, f"-{options.precision}")
    record = save_rounded(subject.model, corpus, out, options.precision, options.measured)
    size, before = (out / CODES).stat().st_size, 4 * subject.model.config.n_parameters
    print(f"{out}: {megabytes(size)} in {record.precision}, {percent(size / before)} of float32")
    print(f"loss on {corpus.name}: {record.loss_before:.4f} → {record.loss_after:.4f} nats a byte, {record.cost:+.5f}")
