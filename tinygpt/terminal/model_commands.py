"""Tasks about trained models: write text with one, evaluate one."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.errors import ConfigError
from tinygpt.terminal.options import Repeated, option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model."""

    checkpoint: str = option("", "folder that `invoke train` wrote, or any GPT-2 folder with a byte vocabulary")
    model: str = option("", "a gallery model instead, such as shakespeare: it comes with the package")


@dataclass(frozen=True, kw_only=True)
class SampleOptions(ModelOptions):
    """Options of sample."""

    prompt: Repeated[str] = option(("",), "text to continue; given several times, the texts are written together")
    tokens: int = option(256, "how many to generate")
    temperature: float = option(0.8, "0 for the likeliest token each time")
    top_k: int = option(0, "choose among the k likeliest tokens; 0 for all")
    seed: int = option(0, "of the random choices; each further text's is one more")
    count: int = option(1, "texts for each prompt")

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"--count is {self.count}", "1 or more", "invoke sample --checkpoint PATH --count 3")


@task()
def sample(options: SampleOptions) -> None:
    """Stream text from a checkpoint or a gallery model, token by token; several texts come one after the other."""
    from tinygpt.evaluation.subject import load_model
    from tinygpt.generation.sampling import SamplingSettings
    from tinygpt.terminal.samples import print_sample, print_samples

    model = load_model(options.checkpoint, options.model)
    settings = SamplingSettings(options.tokens, options.temperature, options.top_k or None, options.seed)
    if len(options.prompt) == options.count == 1:
        print_sample(model, options.prompt[0], settings)
    else:
        print_samples(model, options.prompt, settings, options.count)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ModelOptions):
    """Options of evaluate."""

    corpus: str = option("", "text to evaluate on; the one that the model was trained on when omitted")
    corpus_file: str | None = option(None, "the corpus tinyshakespeare as a file that you have")
    texts: int = option(8, "that the model writes, with the seeds 0, 1, …")
    tokens: int = option(1000, "bytes of each text")
    temperature: float = option(0.8, "of the texts")
    json: bool = option(False, "print everything as JSON, texts included")


@task(needs="evaluate")
def evaluate(options: EvaluateOptions) -> None:
    """Say how well a model writes and how much of it is memory: held-out loss, real words, copies, a verdict."""
    from tinygpt.corpora import load_corpus
    from tinygpt.evaluation import EvaluationSettings, evaluate_model
    from tinygpt.evaluation.subject import load_subject
    from tinygpt.terminal.evaluation_view import print_evaluation

    settings = EvaluationSettings(options.texts, options.tokens, options.temperature)
    subject = load_subject(options.checkpoint, options.model)
    text = load_corpus(subject.corpus_name(options.corpus), path=options.corpus_file)
    result = evaluate_model(subject.model, text, settings)
    if options.json:
        print(result.as_json())
        return
    print_evaluation(result)
    if subject.corpus_sha256 not in (None, text.sha256):
        print("note: this is not the text that the model was trained on; copies are looked for in it all the same")
