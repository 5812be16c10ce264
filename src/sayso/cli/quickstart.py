"""`sayso quickstart`: train, evaluate and use a model in a minute, on synthetic speech that comes with sayso."""

from pathlib import Path

import click

from sayso.cli.console import note, say
from sayso.cli.options import seed_option
from sayso.cli.tables import accuracy_line, filled, percent, table


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("quickstart"), show_default=True,
    help="Folder for the model and the pictures.",
)  # fmt: skip
@seed_option
def quickstart(output: Path, seed: int) -> None:
    """Train a model on the bundled corpus of synthetic speech, evaluate it, and use it.

    Example: sayso quickstart
    """
    from dataclasses import replace

    from sayso.cli.training_progress import watch
    from sayso.config import COMMANDS, Settings, recipe
    from sayso.corpus.corpus import scan
    from sayso.errors import SettingsError
    from sayso.evaluation.measure import clips_to_measure, evaluate
    from sayso.extras import require
    from sayso.model.shipped import bundled
    from sayso.recognition.recognizer import Recognizer
    from sayso.report.plots import save_confusion
    from sayso.report.training_plots import save_learning_curve
    from sayso.system.atomic_files import check_writable
    from sayso.system.invocation import called_as
    from sayso.training.preparation import prepare

    require("quickstart", "train", "report")
    demo = bundled("demo")
    settings = Settings.from_toml(recipe("quickstart"))
    settings = replace(settings, training=replace(settings.training, seed=seed))
    model_path, curve, confusion = output / "model.safetensors", output / "learning_curve.png", output / "confusion.png"
    check_writable(model_path)
    corpus = scan(demo)
    prepared = prepare(corpus, settings, COMMANDS)
    training = prepared.training
    note(
        f"learning {len(COMMANDS)} words from {len(corpus.by_split('training'))} clips of synthetic speech: "
        f"backpropagation adjusts {training.network.parameter_count:,} weights"
    )
    watch(prepared)
    if not training.best_epoch:
        raise SettingsError("stopped before the first epoch was done; there is no model to save")
    model = training.model()
    recognizer = Recognizer(model)
    evaluation = evaluate(recognizer, clips_to_measure(recognizer, corpus, "testing")[0])
    model.save(model_path)
    save_learning_curve(training.history, training.best_epoch, curve)
    save_confusion(evaluation, confusion)

    say(filled(f"accuracy on unseen speakers: {accuracy_line(evaluation)}") + "\n")
    rows = []
    clips = [clip for clip in corpus.by_split("testing") if clip.word in COMMANDS]
    for clip in clips[::23]:  # coprime to the number of speakers, so that words and speakers both change
        detection = recognizer.classify(clip.path)
        name = f"{clip.word}/{clip.path.name}"
        rows.append((name, clip.word, detection.label, percent(detection.confidence)))
    say(table(("clip", "true", "predicted", "confidence"), rows, left=3))
    sayso = called_as()
    say(
        f"\nsaved {model_path}, {curve}, {confusion}\n\n"
        "what next:\n"
        f"  {sayso} classify YOUR.wav -m {model_path}\n    recognise words in files (it knows only synthetic voices)\n"
        f"  {sayso} train DIRECTORY -o my.safetensors\n    train on your own recordings or a data set\n"
        f"  {sayso} info -m {model_path}\n    describe the model"
    )
