import sounds
from heed.corpus import scan
from heed.evaluation import evaluate_corpus


def test_it(tiny_corpus, tiny_recognizer):
    for split in ("training", "validation", "testing"):
        e, _ = evaluate_corpus(tiny_recognizer, scan(tiny_corpus), split)
        print(split, e.accuracy, e.confusion.tolist(), e.labels)
    print(tiny_recognizer.model.training["history"][-1])
    s, m = sounds.stream(["yes", "no", "up", "zero", "yes", "yes", "no"])
    for d in tiny_recognizer.detect([s]):
        print(d)
    print(m)
    for w in sounds.TONES:
        print(w, tiny_recognizer.classify(sounds.clip(w), 16000))
