"""From a corpus and a wish to a training that can start: which labels, which clips, and what stands in the way.

Everything that a user can get wrong about the data is found here, before the first epoch.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sayso.config import SILENCE, UNKNOWN, Settings, check_labels
from sayso.config.labels import label_of
from sayso.corpus.clip_cache import ClipCache
from sayso.corpus.clip_sets import benchmark_set
from sayso.corpus.clips import Clips, FloatArray, labelled, load_clips, load_negatives, load_noises
from sayso.corpus.corpus import Corpus, Skipped
from sayso.errors import CorpusError, SettingsError
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
from sayso.system.workers import cores
from sayso.training.batches import TrainingSet
from sayso.training.training import Training

# A word needs one clip to learn from and one to judge by.
FEWEST_CLIPS = 2


@dataclass(frozen=True)
class Prepared:
    """A training that can start, and what the user should know of it.

    Attributes
    ----------
    training : Training
        The training.
    skipped : tuple of Skipped
        What was left out, and why.
    warnings : tuple of str
        What may spoil the result, one line each.
    clips : Clips
        The recordings of words that train and validate.
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
) -> Prepared:
    """Read the clips of a corpus and set up a training on them.

    Parameters
    ----------
    corpus : Corpus
        The recordings.
    settings : Settings
        All settings.
    words : sequence of str
        The words to recognise; the corpus's other words become unknown speech. Without any, all words are recognised.
    noises : sequence of Path
        Recordings of background noise to use beside the corpus's own.
    negatives : sequence of Path
        Recordings of speech without any of the words, of any length, to learn as unknown beside the corpus's own.
    checkpoint : Path, optional
        Where to keep checkpoints.
    cache : Path, optional
        A folder where the clips of large corpora are kept for the next start.
    threads : int, optional
        How many threads, and processes where clips are read, share the work; the result does not depend on it. Without
        it, one for each core.

    Raises
    ------
    CorpusError
        If a word has too few clips, or there is nothing to tell it from.
    SettingsError
        If a word is asked for that the corpus does not hold.
    """
    threads = threads or cores()
    extractor = MfccExtractor(settings.features, FeatureTables.from_settings(settings.features))
    backgrounds, skipped = load_noises([*corpus.noises, *noises], settings.features)
    labels = choose_labels(corpus, words, bool(backgrounds), bool(negatives))
    rows = labelled([*corpus.by_split("training"), *corpus.by_split("validation")], labels)
    if cache:
        store, trouble = ClipCache(cache, corpus.root, settings.features).load(rows, threads)
    else:
        store, trouble = load_clips(rows, settings.features, threads), ""
    skipped += store.skipped
    learnt = sum(row.split == "training" for row in store.rows)
    stores = {"training": store.between(0, learnt), "validation": store.between(learnt, len(store.rows))}
    if negatives:
        speech = load_negatives(negatives, settings.features, threads)
        if not speech.rows:
            reason = speech.skipped[0].reason
            raise CorpusError(f"none of the {len(negatives)} files of unknown speech can be used; the first: {reason}")
        stores["training"] = stores["training"].joined(speech)
        skipped += speech.skipped
    warnings = [
        *corpus.warnings,
        *([trouble] if trouble else []),
        *_check_counts(labels, stores["training"], stores["validation"]),
    ]
    if not backgrounds:
        warnings.append(
            "no background noise (folder _background_noise_ or --noise): the model will not stand noise well"
        )
    if UNKNOWN not in labels:
        warnings.append(
            "no other words to learn as unknown: the model will take whatever it hears for one of its words"
        )
    training = Training(
        data=TrainingSet(stores["training"], backgrounds, labels, settings, extractor),
        validation=benchmark_set(stores["validation"], backgrounds, labels, settings.training.seed),
        settings=settings,
        extractor=extractor,
        provenance=_provenance(corpus, labels, stores, backgrounds),
        checkpoint=checkpoint,
        threads=threads,
    )
    return Prepared(training, (*corpus.skipped, *skipped), tuple(warnings), store)


def choose_labels(
    corpus: Corpus, words: Sequence[str], has_noise: bool, has_negatives: bool = False
) -> tuple[str, ...]:
    """Choose what the model tells apart: the words as asked for, then unknown and silence if the data has them."""
    present = [word for word in corpus.words if word not in (SILENCE, UNKNOWN)]
    asked = list(words) or present
    if missing := [word for word in asked if word not in present]:
        raise SettingsError(f"{corpus.root} has no word {missing[0]!r}; it has {', '.join(present) or 'none'}")
    if twice := [word for word, count in Counter(asked).items() if count > 1]:
        raise SettingsError(f"the word {twice[0]!r} is asked for twice; name each word once")
    labels = asked
    if UNKNOWN in corpus.words or set(present) - set(asked) or has_negatives:
        labels = [*labels, UNKNOWN]
    if SILENCE in corpus.words or has_noise:
        labels = [*labels, SILENCE]
    if len(set(labels) - {SILENCE}) < 2:
        raise CorpusError(
            f"only one word, {labels[0]!r}: there is nothing to tell it from; add recordings of other words"
        )
    try:
        check_labels(labels)
    except ValueError as error:
        raise CorpusError(f"{error}; rename the folder in {corpus.root}, or choose words with --words") from error
    return tuple(labels)


def _check_counts(labels: Sequence[str], training: Clips, validation: Clips) -> list[str]:
    """Refuse words that cannot be learned; return a warning for those that cannot be judged."""
    learn = Counter(label_of(row.word, labels) for row in training.rows)
    judge = Counter(label_of(row.word, labels) for row in validation.rows)
    words = [label for label in labels if label not in (SILENCE, UNKNOWN)]
    for word in words:
        if learn[word] + judge[word] < FEWEST_CLIPS:
            raise CorpusError(
                f"the word {word!r} has {learn[word] + judge[word]} usable clip(s) for training and validation; "
                f"expected at least {FEWEST_CLIPS}, better 50; record more or leave it out with --words"
            )
        if not learn[word]:
            raise CorpusError(f"no training clip of {word!r}: its speakers all fall to validation; add other speakers")
    if not judge:
        raise CorpusError("no clip is left for validation; add recordings of more speakers")
    return [
        f"no validation clip of {word!r}: how well it is recognised is not known" for word in words if not judge[word]
    ]


def _provenance(
    corpus: Corpus, labels: Sequence[str], stores: dict[str, Clips], noises: Sequence[FloatArray]
) -> dict[str, Any]:
    """Describe the data in plain values, with a digest of every sample that takes part."""
    digest = hashlib.sha256()
    counts: dict[str, dict[str, int]] = {}
    for split, store in stores.items():
        counts[split] = dict(Counter(label_of(row.word, labels) for row in store.rows))
        digest.update("\n".join(f"{row.word}/{row.path.name}" for row in store.rows).encode("utf-8", "surrogateescape"))
        digest.update(store.samples.data)
        digest.update(store.all_peaks.data)
    for noise in noises:
        digest.update(noise.data)
    return {"corpus": corpus.root.resolve().name, "clips": counts, "noises": len(noises), "sha256": digest.hexdigest()}
