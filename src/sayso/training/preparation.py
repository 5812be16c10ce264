"""Preparing a training: choosing the labels, reading the clips, and checking the data.

Every mistake that a user can make with the data is found here, before the first epoch.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sayso.config import SILENCE, UNKNOWN, Settings, check_labels
from sayso.config.labels import label_of, nfc, strangers_in_case
from sayso.corpus.clip_cache import ClipCache
from sayso.corpus.clip_sets import benchmark_set
from sayso.corpus.clips import Clips, FloatArray, labelled, load_clips, load_negatives, load_noises
from sayso.corpus.corpus import Corpus
from sayso.corpus.digests import digests, repeated
from sayso.corpus.places import Places, cut_words
from sayso.corpus.skipped import Skipped, reasons_kept
from sayso.errors import CorpusError, SettingsError
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
from sayso.model.model_file import Model
from sayso.sound.noise import generated_noises
from sayso.system.suggestions import did_you_mean
from sayso.system.workers import cores
from sayso.training.batches import TrainingSet
from sayso.training.training import Training

# A word needs one clip for training and one for validation.
FEWEST_CLIPS = 2


@dataclass(frozen=True)
class Prepared:
    """A training that is ready to start, and what the user should know about it.

    Attributes
    ----------
    training : Training
        The training.
    skipped : tuple of Skipped
        Files that are not used, and why.
    warnings : tuple of str
        Problems that may make the result worse, one line each.
    clips : Clips
        The clips of words for training and validation.
    """

    training: Training
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    clips: Clips


def prepare(
    corpus: Corpus,
    settings: Settings,
    words: Sequence[str] = (),
    noises: Sequence[Path] = (),
    negatives: Sequence[Path] = (),
    checkpoint: Path | None = None,
    cache: Path | None = None,
    threads: int | None = None,
    places: Places | None = None,
    distill: Model | None = None,
) -> Prepared:
    """Read the clips of a corpus and set up a training on them.

    Parameters
    ----------
    corpus : Corpus
        The recordings.
    settings : Settings
        All settings.
    words : sequence of str
        The words to recognise; other words of the corpus become unknown speech. By default all words.
    noises : sequence of Path
        Recordings of background noise, in addition to those of the corpus.
    negatives : sequence of Path
        Recordings of speech without any of the words, of any length, to be learned as unknown speech in addition to
        that of the corpus.
    checkpoint : Path, optional
        Where to save checkpoints.
    cache : Path, optional
        Folder in which the clips of large corpora are stored, so that the next training starts faster.
    threads : int, optional
        How many threads (processes for reading clips) share the work; the result does not depend on it. By default
        one per core.
    places : mapping of Path to sequence of Place, optional
        Where words are in some recordings of running speech; those that are frequent enough are cut out and learned as
        unknown words of the corpus are.
    distill : Model, optional
        A larger model to learn from as well.

    Raises
    ------
    CorpusError
        If a word has too few clips, or there is only one label.
    SettingsError
        If the corpus does not have one of the words, or the larger model does not suit.
    """
    threads = threads or cores()
    skipped = list(corpus.skipped)
    with reasons_kept(skipped, corpus.warnings):
        extractor = MfccExtractor(settings.features, FeatureTables.from_settings(settings.features))
        backgrounds, unread = load_noises([*corpus.noises, *noises], settings.features)
        skipped += unread
        labels = choose_labels(corpus, words, bool(backgrounds), bool(negatives))
        rows = labelled([*corpus.by_split("training"), *corpus.by_split("validation")], labels)
        if cache:
            clips, cache_warning = ClipCache(cache, corpus.root, settings.features).load(rows, threads)
        else:
            clips, cache_warning = load_clips(rows, settings.features, threads), ""
        skipped += clips.skipped
        first = sum(row.split == "training" for row in clips.rows)
        splits = {"training": clips.between(0, first), "validation": clips.between(first, len(clips.rows))}
        if negatives:
            speech = load_negatives(negatives, settings.features, threads)
            if not speech.rows:
                reason = speech.skipped[0].reason
                raise CorpusError(
                    f"none of the {len(negatives)} files of unknown speech can be used; the first: {reason}"
                )
            splits["training"] = splits["training"].joined(speech)
            skipped += speech.skipped
        if places:
            spoken = cut_words(places, settings.features, labels, threads)
            splits["training"] = splits["training"].joined(spoken)
        found = digests(clips.samples)
        warnings = [
            *corpus.warnings,
            *([cache_warning] if cache_warning else []),
            *strangers_in_case((row.word for row in rows), labels),
            *_check_counts(corpus, labels, splits["training"], splits["validation"]),
            *repeated(clips.rows, found.tolist()),
        ]
        if not backgrounds:
            warnings.append(
                "no background noise (folder _background_noise_ or --noise): the model will perform poorly in noise"
            )
        if UNKNOWN not in labels:
            warnings.append(
                "no other words to learn as unknown speech: the model will recognise any sound as one of its words"
            )
        validation = benchmark_set(splits["validation"], backgrounds, labels, settings.training.seed)
        if backgrounds:
            # What recordings of noise rarely hold: the same sound for ever, at all frequencies.
            backgrounds += generated_noises(settings.features.sample_rate)
        training = Training(
            data=TrainingSet(splits["training"], backgrounds, labels, settings, extractor),
            validation=validation,
            settings=settings,
            extractor=extractor,
            provenance=_provenance(corpus, labels, splits, backgrounds),
            checkpoint=checkpoint,
            digests=found,
            threads=threads,
            distill=distill,
        )
        return Prepared(training, tuple(skipped), tuple(warnings), clips)


def choose_labels(
    corpus: Corpus, words: Sequence[str], has_noise: bool, has_negatives: bool = False
) -> tuple[str, ...]:
    """Choose the labels of the model: the requested words in their order, then unknown and silence if there is data."""
    present = [word for word in corpus.words if word not in (SILENCE, UNKNOWN)]
    asked = [nfc(word) for word in words] or present
    if missing := [word for word in asked if word not in present]:
        raise SettingsError(
            f"{corpus.root} has no word {missing[0]!r}; it has {', '.join(present) or 'none'}"
            f"{did_you_mean(missing[0], present)}"
        )
    if twice := [word for word, count in Counter(asked).items() if count > 1]:
        raise SettingsError(f"the word {twice[0]!r} is asked for twice; name each word once")
    labels = asked
    if UNKNOWN in corpus.words or set(present) - set(asked) or has_negatives:
        labels = [*labels, UNKNOWN]
    if SILENCE in corpus.words or has_noise:
        labels = [*labels, SILENCE]
    if len(set(labels) - {SILENCE}) < 2:
        raise CorpusError(
            f"only one word, {labels[0]!r}; expected at least one other to distinguish it from; "
            "add recordings of other words"
        )
    try:
        check_labels(labels)
    except ValueError as error:
        raise CorpusError(f"{error}; rename the folder in {corpus.root}, or choose words with --words") from error
    return tuple(labels)


def _check_counts(corpus: Corpus, labels: Sequence[str], training: Clips, validation: Clips) -> list[str]:
    """Refuse words that have too few clips; return a warning for words without validation clips."""
    trained = Counter(label_of(row.word, labels) for row in training.rows)
    validated = Counter(label_of(row.word, labels) for row in validation.rows)
    words = [label for label in labels if label not in (SILENCE, UNKNOWN)]
    for word in words:
        if trained[word] + validated[word] < FEWEST_CLIPS:
            tests = sum(label_of(row.word, labels) == word for row in corpus.by_split("testing"))
            raise CorpusError(
                f"the word {word!r} has {trained[word] + validated[word]} usable clip(s) for training and validation"
                f"{f' beside {tests} for testing' if tests else ''}; "
                f"expected at least {FEWEST_CLIPS}, better 50; record more or leave it out with --words"
            )
        if not trained[word]:
            raise CorpusError(f"no training clip of {word!r}: all its speakers are in validation; add other speakers")
    if not any(validated[word] for word in words):
        # With unknown speech alone, each epoch would be judged by how often the model stays silent.
        raise CorpusError(
            "no clip is left for validation; add recordings of more speakers, or at least three of each word"
        )
    return [f"no validation clip of {word!r}: its accuracy is not known" for word in words if not validated[word]]


def _provenance(
    corpus: Corpus, labels: Sequence[str], splits: dict[str, Clips], noises: Sequence[FloatArray]
) -> dict[str, Any]:
    """Describe the data in plain values, with a digest of all samples that are used."""
    digest = hashlib.sha256()
    counts: dict[str, dict[str, int]] = {}
    for split, part in splits.items():
        counts[split] = dict(Counter(label_of(row.word, labels) for row in part.rows))
        digest.update("\n".join(f"{row.word}/{row.path.name}" for row in part.rows).encode("utf-8", "surrogateescape"))
        digest.update(part.samples.data)
        digest.update(part.all_peaks.data)
    for noise in noises:
        digest.update(noise.data)
    return {"corpus": corpus.root.resolve().name, "clips": counts, "noises": len(noises), "sha256": digest.hexdigest()}
