"""Work in threads, in processes and on a real cluster: results keep their order, and lost workers are handled."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

import sounds
from command_line import Result
from sayso import version
from sayso.batch import classify
from sayso.errors import WorkerError
from sayso.recognition.recognizer import Recognizer
from sayso.system.workers import in_order, program, spread


def test_threads_keep_the_order_and_take_few_items_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while taken < 100:
            taken += 1
            yield taken - 1

    for threads in (1, 3):
        taken = 0
        for place, result in enumerate(in_order(lambda item: item * item, items(), threads)):
            assert result == place * place
            assert taken <= place + 10


def signalled(number: int, item: int) -> int:
    """Return the item, but at item 5 end by signal `number` unless that is 0."""
    if item == 5 and number:
        os.kill(os.getpid(), number)
    return item


def test_processes_keep_the_order() -> None:
    with spread(signalled, 0, range(20), 2) as results:
        assert list(results) == list(range(20))


def pid(_: None, item: int) -> int:
    return os.getpid()


def test_processes_are_started_only_for_more_than_a_few_items() -> None:
    here = {os.getpid()}
    for items, workers, few, alone in ((9, 1, 1, True), (1, 2, 1, True), (4, 2, 4, True), (5, 2, 4, False)):
        with spread(pid, None, range(items), workers, few=few) as results:
            assert (set(results) == here) == alone, (items, workers, few)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_process_is_reported_in_one_line() -> None:
    message = "a worker process died, perhaps out of memory; free some memory or use fewer workers, then --resume"
    with pytest.raises(WorkerError, match=message), spread(signalled, signal.SIGKILL, range(20), 2) as results:
        list(results)


def test_a_process_that_cannot_start_does_not_hang(tmp_path: Path) -> None:
    script = (
        "if __name__ != '__main__': raise SystemExit(1)\n"
        "from sayso.system.workers import spread\n"
        "with spread(max, bytes(1_000_000), range(9), 2) as results: list(results)\n"
    )
    (tmp_path / "script.py").write_text(script)
    run = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60)
    assert "WorkerError: a worker process died" in run.stderr


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes of one core each, over TCP."""
    distributed = pytest.importorskip("distributed")
    import dask

    # The time for which the others try to reach a worker that was killed.
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "3s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp://"
        ) as cluster,
    ):
        yield cluster


def test_a_cluster_gives_the_same_results_even_if_a_worker_is_killed(
    cluster: Any, tiny_recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classify, "GROUP_FILES", 2)
    names = [f"{number:02}.wav" for number in range(40)]
    for number, name in enumerate(names):
        soundfile.write(name, sounds.clip("yes", number), sounds.RATE)
    soundfile.write(names[7], sounds.stream(["no", "up", "yes"])[0], sounds.RATE)
    Path(names[11]).write_text("no sound")
    names[20] = "missing.wav"
    with classify.classifying(tiny_recognizer, names, 1) as groups:
        expected = [result for group in groups for result in group]

    def killing() -> Iterator[str]:
        for place, name in enumerate(names):
            if place == 25:
                with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                    victim, *_ = client.run(os.getpid).values()
                os.kill(victim, signal.SIGKILL)
            yield name

    with classify.classifying(tiny_recognizer, killing(), 1, cluster.scheduler_address) as groups:
        assert [result for group in groups for result in group] == expected


def test_the_command_gives_the_same_bytes_on_a_cluster(
    cluster: Any, tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path, sayso: Callable[..., Result]
) -> None:
    command = ["classify", tiny_corpus / "yes", tiny_corpus / "nothing.wav", "-m", tiny_model_path, "-o"]
    assert sayso(*command, tmp_path / "here.csv").status == 1
    assert sayso(*command, tmp_path / "there.csv", "--scheduler", cluster.scheduler_address).status == 1
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_a_worker_with_another_program_is_refused(cluster: Any) -> None:
    import distributed

    address = cluster.scheduler_address

    def set_version(version: str) -> None:
        from sayso import version as module

        module.__version__ = version

    with distributed.Client(address, set_as_default=False) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
        client.run(set_version, "0.0.9", workers=[worker])
        message = (
            rf"the worker {worker} of the Dask cluster at {address} has sayso 0.0.9 \(source \w+\); this machine has"
        )
        with pytest.raises(WorkerError, match=message), spread(signalled, 0, range(10), 1, address):
            pass
        # One that comes later, or changes.
        client.run(set_version, program().split()[1])
        with spread(signalled, 0, range(100), 1, address) as results:
            client.run(set_version, "0.0.8")
            with pytest.raises(WorkerError, match=r"a worker of the Dask cluster at .* has sayso 0\.0\.8"):
                list(results)
        client.run(set_version, program().split()[1])
    with spread(signalled, 0, range(10), 1, address) as results:
        assert list(results) == list(range(10))


def test_the_program_is_known_by_its_source(tmp_path: Path) -> None:
    folder = Path(version.__file__).parent
    shutil.copytree(folder, tmp_path / "sayso", ignore=shutil.ignore_patterns("_bundled", "__pycache__"))

    def told() -> str:
        command = [sys.executable, "-c", "from sayso.system.workers import program; print(program())"]
        run = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
        return run.stdout.strip()

    assert told() == program()
    with (tmp_path / "sayso" / "features" / "mfcc.py").open("a") as file:
        file.write("# changed\n")
    assert told() != program()
    assert told().split(" (")[0] == program().split(" (")[0]


def test_an_unusable_cluster_is_reported_in_one_line(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sayso.system.workers.PATIENCE", 1)
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with (
            pytest.raises(WorkerError, match=f"cannot reach a Dask scheduler at {address}"),
            spread(signalled, 0, range(10), 1, address),
        ):
            pass
    with (
        pytest.raises(WorkerError, match="lost its workers repeatedly"),
        spread(signalled, signal.SIGKILL, range(10), 1, cluster.scheduler_address) as results,
    ):
        list(results)


def test_without_dask_the_error_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r'pip install "sayso\[dask\]"'
    with pytest.raises(WorkerError, match=message), spread(signalled, 0, range(10), 1, "tcp://x:1"):
        pass
