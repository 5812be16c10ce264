"""Whole tasks in one call, for Python as for the command line: train, teach, evaluate, classify many files."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sayso.batch.classify import Row, classifying
from sayso.batch.inputs import all_files
from sayso.config import Settings
from sayso.config import recipe as recipe_named
from sayso.corpus.corpus import Corpus, files_below, scan
from sayso.corpus.layouts import Layout
from sayso.corpus.splits import Split
from sayso.download.catalogue import find
from sayso.errors import SettingsError
from sayso.evaluation.accuracy import Doubtful, Evaluation
from sayso.evaluation.measure import RATIOS, Measured, measure, review
from sayso.model import model_file, pack, shipped
from sayso.model.model_file import Model
from sayso.recognition.recognizer import Recognizer, load
from sayso.system.workers import cores
from sayso.training.preparation import Prepared, prepare
from sayso.training.teaching import Taught
from sayso.training.teaching import teach as add_words
from sayso.training.training import Training

Place = str | os.PathLike[str]
Recordings = Place | Corpus
"""A folder of recordings, the name of a data set that was downloaded, or what `scan` makes of a folder."""
AnyModel = Place | Model | Recognizer
"""A model file, the name of a model that comes with sayso, or a model that is loaded."""


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of `train`.

    Attributes
    ----------
    model : Model
        The model, with the weights of the best epoch; `model.save` writes it to a file.
    finished : bool
        Whether the training came to its end, and was not interrupted.
    prepared : Prepared
        The training and its data.
    """

    model: Model
    finished: bool
    prepared: Prepared

    @cached_property
    def recognizer(self) -> Recognizer:
        """The model, ready to use."""
        return Recognizer(self.model)

    @property
    def evaluation(self) -> Evaluation:
        """The result on the validation clips, by which the epoch was chosen; computed when it is first asked for."""
        return self._review[0]

    @property
    def doubtful(self) -> tuple[Doubtful, ...]:
        """The recordings for which the model predicts another label, the most doubtful first."""
        return self._review[1]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of the recordings that may make the result worse."""
        return self.prepared.warnings

    @cached_property
    def _review(self) -> tuple[Evaluation, tuple[Doubtful, ...]]:
        training = self.prepared.training
        return review(self.recognizer, self.prepared.clips, training.validation, training.threads)


def train(
    recordings: Recordings,
    *,
    words: Sequence[str] = (),
    recipe: Place | Settings = "commands",
    settings: Mapping[str, Any] | None = None,
    noise: Place | None = None,
    negatives: Place | None = None,
    distill: Place | Model | None = None,
    speaker: str | None = None,
    layout: Layout | None = None,
    checkpoint: Place | None = None,
    resume: bool = False,
    cache: Place | None = None,
    on_ready: Callable[[Prepared], None] = lambda prepared: None,
    on_step: Callable[[float, float], None] = lambda done, loss: None,
    on_epoch: Callable[[Training], None] = lambda training: None,
) -> Trained:
    """Train a model on a folder with one folder of sound files for each word.

    Ctrl-C ends the training early; the result is then the best model so far.

    Parameters
    ----------
    recordings : str, path or Corpus
        The folder, or the name of a data set that was downloaded.
    words : sequence of str
        The words to recognise; the others become unknown speech. By default all.
    recipe : str, path or Settings
        The name of a recipe that comes with sayso, a TOML file, or settings.
    settings : mapping of str to object, optional
        Settings that differ from the recipe, as in ``{"training.epochs": 20}``.
    noise, negatives : str or path, optional
        Recordings of background noise, and of speech without any of the words: a file, a folder of files, or the name
        of a data set that was downloaded.
    distill : str, path or Model, optional
        A larger model with the same features to learn from as well (distillation).
    speaker, layout : str, optional
        How speakers are found in paths, as a regular expression, and what folders in folders mean ("word/speaker" or
        "speaker/word"); by default both are recognised.
    checkpoint, resume : str or path, bool
        Where the state of the training is saved from time to time, and whether to continue from there.
    cache : str or path, optional
        Folder in which the clips of large corpora are stored, so that the next training starts faster.
    on_ready, on_step, on_epoch : callable
        Called with what was read before the first epoch; after each step with the fraction that is done, and the loss;
        after each epoch with the training, whose ``history[-1]`` has the results.

    Raises
    ------
    CorpusError
        If the recordings do not suffice.
    DownloadError
        If the data set is not on this machine.
    MissingPackageError
        If the packages for training are not installed.
    SettingsError
        If a setting or a word is impossible, there is nothing to resume, or the training was interrupted in its first
        epoch.

    Examples
    --------
    >>> trained = sayso.train("recordings", settings={"training.epochs": 20})  # doctest: +SKIP
    >>> trained.model.save("model.safetensors")  # doctest: +SKIP
    """
    chosen = _settings(recipe).with_values(settings or {})
    kept = None if checkpoint is None else Path(checkpoint)
    if resume and (kept is None or not kept.exists()):
        raise SettingsError(f"nothing to resume: there is no checkpoint {kept or ''}".rstrip() + "; train without it")
    corpus = _corpus(recordings, speaker, layout)
    larger, folder = None if distill is None else _model(distill), None if cache is None else Path(cache)
    prepared = prepare(corpus, chosen, words, _files(noise), _files(negatives), kept, folder, distill=larger)
    training = prepared.training
    if resume and kept:
        training.resume(kept)
    on_ready(prepared)
    finished = run(training, on_step, on_epoch)
    if not training.best_epoch:
        raise SettingsError("stopped before the first epoch was done; there is no model to save")
    return Trained(training.model(), finished, prepared)


def run(training: Training, on_step: Callable[[float, float], None], on_epoch: Callable[[Training], None]) -> bool:
    """Train to the end, or until Ctrl-C, and return whether it came to the end; the callbacks are those of `train`."""
    try:
        for _ in training.epochs(on_step):
            on_epoch(training)
    except KeyboardInterrupt:
        return False
    return True


def teach(
    recordings: Recordings,
    model: Place | Model = shipped.DEFAULT,
    *,
    noise: Place | None = None,
    negatives: Place | None = None,
    false_alarms_per_hour: float = 0.5,
    seed: int = 0,
    speaker: str | None = None,
    layout: Layout | None = None,
    progress: Callable[[str, float], None] = lambda step, done: None,
) -> Taught:
    """Add the words of a folder, one folder of recordings for each, to a model.

    Parameters
    ----------
    recordings : str, path or Corpus
        The folder, or the name of a data set that was downloaded.
    model : str, path or Model
        The model to start from.
    noise, negatives : str or path, optional
        As for `train`. Without noise here or among the recordings, that which comes with sayso is used.
    false_alarms_per_hour : float
        How often other sounds may be taken for the new words, all together, where the model has a pack of them.
    seed : int
        The same seed gives the same model on the same machine.
    speaker, layout : str, optional
        As for `train`.
    progress : callable
        Called with the name of each step, such as "learning", and the fraction of the whole that is done.

    Returns
    -------
    taught : Taught
        The model, with what it knew before and after; ``taught.model.save`` writes it to a file.

    Raises
    ------
    CorpusError
        If the recordings do not suffice.
    ModelError
        If the model cannot be taught.

    Examples
    --------
    >>> sayso.teach("recordings").model.save("mine.safetensors")  # doctest: +SKIP
    """
    corpus, noises = _corpus(recordings, speaker, layout), _files(noise)
    if not noises and not corpus.noises:
        noises = files_below(shipped.bundled("demo") / "_background_noise_")
    base, alarms = _model(model), false_alarms_per_hour
    return add_words(base, corpus, noises, _files(negatives), cores(), seed, pack.matching(base), alarms, progress)


def evaluate(
    model: AnyModel,
    recordings: Recordings,
    *,
    split: Split = "testing",
    noise: Place | None = None,
    ratios: Sequence[float] | None = None,
    speaker: str | None = None,
    layout: Layout | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Measured:
    """Measure a model on recordings, and on the same recordings in noise.

    Parameters
    ----------
    model : str, path, Model or Recognizer
        The model.
    recordings : str, path or Corpus
        A folder with one folder for each word, or the name of a data set that was downloaded.
    split : {"training", "validation", "testing"}
        The recordings to use; of a test archive, all are.
    noise : str or path, optional
        Recordings of noise. By default those of the corpus; if it has none, noise is generated.
    ratios : sequence of float, optional
        Signal-to-noise ratios in decibels to measure at; by default none, or with `noise` 20, 10, 5, 0 and -5.
    speaker, layout : str, optional
        As for `train`.
    progress : callable
        Called with the name of each step: "reading clips", "evaluating", and one for each ratio.

    Returns
    -------
    measured : Measured
        ``measured.evaluation`` has accuracy and confusion matrix, ``measured.in_noise`` the same by ratio.

    Raises
    ------
    CorpusError
        If there is no clip to measure on, or no noise can be read.

    Examples
    --------
    >>> sayso.evaluate("commands", "recordings").evaluation.accuracy  # doctest: +SKIP
    0.97
    """
    chosen = (RATIOS if noise else ()) if ratios is None else ratios
    corpus = _corpus(recordings, speaker, layout)
    return measure(recognizer_of(model), corpus, split, _files(noise), progress, chosen)


def classify_files(
    paths: Place | Iterable[Place],
    model: AnyModel = shipped.DEFAULT,
    *,
    channel: int | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int], None] = lambda files: None,
) -> Iterator[Row]:
    """Recognise the words in any number of files, of any length.

    Parameters
    ----------
    paths : str, path, or iterable of them
        Files, folders, patterns and addresses, as for `sayso classify`.
    model : str, path, Model or Recognizer
        The model.
    channel : int, optional
        The channel to take, counted from 1; by default their mean.
    workers : int
        Number of processes that share the work; with more than one, a script needs ``if __name__ == "__main__":``.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers do the work instead.
    progress : callable
        Called with the number of files that are done, some files at a time.

    Yields
    ------
    row : Row
        The path, and either a detection, an error, or neither if nothing was detected in a long file. A clip of up to
        two seconds has one row, a longer file one for each word detected.

    Raises
    ------
    WorkerError
        If the workers fail.

    Examples
    --------
    >>> for row in sayso.classify_files("recordings"):  # doctest: +SKIP
    ...     print(row.path, row.error or row.detection)
    """
    names = [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    done = 0
    with classifying(recognizer_of(model), all_files(names, None), workers, scheduler, names, channel) as groups:
        for group in groups:
            for result in group:
                yield from result.rows()
            done += len(group)
            progress(done)


def recognizer_of(model: AnyModel) -> Recognizer:
    """Return a recogniser for a model that may be loaded or not."""
    if isinstance(model, Recognizer):
        return model
    return Recognizer(model) if isinstance(model, Model) else load(model)


def _settings(chosen: Place | Settings) -> Settings:
    return chosen if isinstance(chosen, Settings) else Settings.from_toml(recipe_named(os.fspath(chosen)))


def _corpus(recordings: Recordings, speaker: str | None, layout: Layout | None) -> Corpus:
    return recordings if isinstance(recordings, Corpus) else scan(find(Path(recordings)), speaker, layout)


def _model(model: Place | Model) -> Model:
    return model if isinstance(model, Model) else model_file.load(shipped.find(os.fspath(model)))


def _files(place: Place | None) -> list[Path]:
    return [] if place is None else files_below(find(Path(place)))
