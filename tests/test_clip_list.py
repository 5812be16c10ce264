"""The list of the recordings that a model was trained on."""

import csv
import gzip
import hashlib
import shutil
from pathlib import Path

import pytest

from sayso.config import Settings
from sayso.training.preparation import prepare

ROOT = Path(__file__).parent.parent


def test_the_list_has_each_recording_that_was_used_with_its_digest(
    monkeypatch: pytest.MonkeyPatch, tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "shipped_models"))
    import clip_list
    from speech_data import SpeechData, split_of

    words = shutil.copytree(tiny_corpus, tmp_path / "words")
    unread = next(path for path in sorted((words / "yes").iterdir()))
    unread.write_bytes(b"no sound")
    talk = tmp_path / "talk"
    talk.mkdir()
    for speaker in "abcdefghij":
        shutil.copy(tiny_corpus / "_background_noise_" / "white.wav", talk / f"{speaker}_0.wav")
    data = SpeechData(words, None, None, talk)
    prepared = prepare(data.corpus(), tiny_settings, ["yes", "no"], negatives=data.talk("training"))
    for name in ("one", "two"):
        count = clip_list.write(tmp_path / name, clip_list.used(data, prepared))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    rows = list(csv.DictReader(gzip.decompress((tmp_path / "one").read_bytes()).decode().splitlines(), delimiter="\t"))
    assert len(rows) == count
    assert rows == sorted(rows, key=lambda row: tuple(row.values()))
    roots = {"words": words, "noise of the words": words, "running speech": talk}
    for row in rows:
        content = (roots[row["source"]] / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest().startswith(row["sha256"])
    listed = {(row["use"], roots[row["source"]] / row["path"]) for row in rows}
    # All that was read for training and validation, and nothing else.
    clips = {(clip.split, clip.path) for clip in data.corpus().clips if clip.split != "testing"}
    noises = {("training", path) for path in data.corpus().noises}
    spoken = {(use, path) for path in talk.iterdir() if (use := split_of(path.stem.split("_")[0])) != "testing"}
    assert listed == (clips | noises | spoken) - {(clip.split, unread) for clip in data.corpus().clips}
