"""Tasks about trained models: generate text, evaluate."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from tinygpt.arguments import whole_number
from tinygpt.errors import ConfigError
from tinygpt.terminal.options import REQUIRED, Repeated, option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options that select a model."""

    checkpoint: str = option(
        "",
        "folder from `invoke train`, a GPT-2 folder with its tokenizer, a gallery model such as shakespeare, or a "
        "model of the hub such as gpt2 or OWNER/NAME, with the extra `hub`",
    )
    model: str = option("", "a gallery model by name, as --checkpoint takes it too")
    adapter: str = option(
        "",
        "a LoRA adapter for that model, or else for its own base: a folder, ours or PEFT's, or one of the gallery such "
        "as stories-shakespeare",
    )


@dataclass(frozen=True, kw_only=True)
class SampleOptions(ModelOptions):
    """Options of sample."""

    prompt: Repeated[str] = option(("",), "text to continue; may be given several times", may_be_empty=True)
    max_new_tokens: int = option(256, "number of tokens to generate; `--tokens` is the same", also="tokens")
    temperature: float = option(0.8, "0 for the best token each time")
    top_k: int = option(0, "choose among the k best tokens; 0 for all")
    top_p: float = option(1.0, "choose among the best tokens that together have this probability")
    min_p: float = option(0.0, "choose among tokens with at least this share of the best one's probability")
    repetition_penalty: float = option(1.0, "divides the scores of tokens that the text already has")
    stop_strings: Repeated[str] = option((), "text that ends the writing; may be given several times")
    eos_token_id: int | None = option(None, "token that ends the writing and is not written, such as 10, a line break")
    seed: int = option(0, "seed of the random choices; each further text or turn has the next one")
    count: int = option(1, "texts for each prompt")
    precision: str = option(
        "",
        "of the weights: float32, int8, bfloat16 or float16; float32 when omitted, or that of a folder from "
        "`invoke quantize` where the text is long enough for the compiled loop",
    )
    interactive: bool = option(
        False, "write in turns with the model: Ctrl-C ends its turn, an empty line or Ctrl-D the session"
    )

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"--count is {self.count}", "1 or more", "invoke sample --checkpoint PATH --count 3")
        if self.interactive and (self.count > 1 or len(self.prompt) > 1):
            raise ConfigError(
                "--interactive with several texts", "one text", "invoke sample --model NAME --interactive"
            )


@task()
def sample(options: SampleOptions) -> None:
    """Stream text from a model, token by token; print several texts one after the other."""
    from tinygpt.evaluation.subject import load_model, reader
    from tinygpt.generation.sampling import SamplingSettings
    from tinygpt.terminal.conversation_view import converse
    from tinygpt.terminal.samples import print_sample, print_samples

    names = {part.name for part in fields(SamplingSettings)}
    given = {name: value for name, value in vars(options).items() if name in names}
    whole_number("--top-k", options.top_k)
    settings = SamplingSettings(**given | {"top_k": options.top_k or None})
    read = load_model(options.checkpoint, options.model, options.adapter)
    model = reader(read, settings.max_new_tokens, options.precision)
    if options.interactive:
        converse(model, options.prompt[0], settings)
    elif len(options.prompt) == options.count == 1:
        print_sample(model, options.prompt[0], settings)
    else:
        print_samples(model, options.prompt, settings, options.count)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ModelOptions):
    """Options of evaluate."""

    text: Path | None = option(
        None, "a text file to score instead: the loss of all of it, per byte and per token, and its perplexity"
    )
    stride: int | None = option(
        None, "with --text: tokens from the start of one window to that of the next; the model's context when omitted"
    )
    corpus: str = option("", "text to evaluate on; by default the model's own")
    corpus_file: str | None = option(None, "your own copy of the corpus tinyshakespeare")
    texts: int = option(8, "number of texts to write, with the seeds 0, 1, …")
    tokens: int = option(1000, "bytes of each text")
    temperature: float = option(1.0, "sampling temperature of the texts in the JSON; the grade is for texts at 1")
    json: bool = option(False, "print everything as JSON, texts included")

    def __post_init__(self) -> None:
        if self.text and self.corpus:
            raise ConfigError("--text with --corpus", "one of the two")
        if self.stride is not None and not self.text:
            raise ConfigError("--stride without --text", "a file", "invoke evaluate --text FILE --stride 512")


@task(needs="evaluate")
def evaluate(options: EvaluateOptions) -> None:
    """Evaluate a model: held-out loss, words, grammar, copied text, and a grade; or the loss of a text file alone."""
    if options.text:
        _evaluate_text(options, options.text)
        return
    from tinygpt.corpora import load_corpus
    from tinygpt.evaluation.scores import EvaluationSettings, evaluate_model
    from tinygpt.evaluation.subject import load_subject
    from tinygpt.terminal.evaluation_view import print_evaluation

    settings = EvaluationSettings(options.texts, options.tokens, options.temperature)
    subject = load_subject(options.checkpoint, options.model, options.adapter)
    text = load_corpus(subject.corpus_name(options.corpus), path=options.corpus_file)
    announce = partial(print, file=sys.stderr, flush=True)
    result = evaluate_model(subject.model, text, settings, announce=announce, history=subject.history)
    if options.json:
        print(result.as_json())
        return
    print_evaluation(result)
    if subject.corpus_sha256 not in (None, text.sha256):
        print("note: this is not the text that the model was trained on; copies are searched in it anyway")


def _evaluate_text(options: EvaluateOptions, text: Path) -> None:
    """Print the loss of a text file; it needs no extra."""
    from tinygpt.evaluation.perplexity import text_file_loss
    from tinygpt.evaluation.subject import load_model
    from tinygpt.terminal.evaluation_view import Announcer, print_text_loss

    model = load_model(options.checkpoint, options.model, options.adapter)
    result = text_file_loss(model, text, options.stride, scored=Announcer())
    if options.json:
        print(result.as_json())
    else:
        print_text_loss(result)


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """Options of merge."""

    adapter: str = option(REQUIRED, "folder of a LoRA adapter, ours or PEFT's, or one of the gallery")
    out: Path = option(REQUIRED, "folder for the whole model, which transformers reads")
    checkpoint: str = option("", "folder of the base, instead of the one that the adapter names")


@task()
def merge(options: MergeOptions) -> None:
    """Fold a LoRA adapter into its base: a checkpoint of whole weights."""
    from tinygpt.checkpoints.saving import has_checkpoint, save_checkpoint
    from tinygpt.gallery.sources import load_adapted

    if has_checkpoint(options.out):
        raise ConfigError(f"{options.out} already holds a checkpoint", "a new folder", "the same with another --out")
    adapted = load_adapted(options.adapter, options.checkpoint)
    save_checkpoint(options.out, adapted.folded())
    print(f"{options.out}: {adapted.config.summary}, with {adapted.train.lora} folded in")
