"""Run folders: the same run has the same key, one process at a time, a true status, and files that survive a crash."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src import provenance, runs
from src.errors import UserError
from src.lease import STALE
from tests.conftest import ROOT

CONFIG = {
    "name": None, "seed": 0, "force": False, "code": "strict", "data_root": "data", "cache_root": "c", "runs_root": "runs",
    "trainer": {"epochs": 2, "device": "auto", "resume": False, "progress": "auto"},
    "model": {"_target_": "src.models.mlr.MLR", "lr": 0.001, "weights": [1.0, 2.0]},
    "tracking": {"enabled": True, "uri": None, "experiment": "kilter"},
}  # fmt: skip
KEY = provenance.run_key(CONFIG, "data", "code")


def changed(path, value):
    config = json.loads(json.dumps(CONFIG))
    node = config
    *parents, last = path.split(".")
    for parent in parents:
        node = node[parent]
    node[last] = value
    return config


def opened(root, *, resume=False, force=False, name="a", config=CONFIG):
    record = provenance.describe(KEY, name, 0, "data", "code")
    return runs.open_run(root, name, KEY, config, record, resume=resume, force=force)


def done(folder):
    return json.loads((folder / "DONE").read_text())


def finished(root, **options):
    with opened(root, **options) as run:
        run.write_json("metrics.json", {"score": 0.75})
    return run


def died(run):
    """Make the run look like that of a process that was killed: its lease names a process that is gone."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    lease = run.folder / "LEASE"
    lease.write_text(json.dumps({**json.loads(lease.read_text()), "pid": gone.pid}))


# --- key ---


def test_the_key_is_stable_between_versions_of_kilter():
    assert provenance.run_key({"a": 1, "b": {"c": [0.5, None, "x"]}}, "data", "code") == "f147ce6bbfd8"


@pytest.mark.parametrize("path", ["name", "force", "code", "data_root", "cache_root", "runs_root", "tracking", "tracking.uri",
                                  "trainer.device", "trainer.resume", "trainer.progress"])  # fmt: skip
def test_keys_without_influence_on_the_numbers_are_left_out(path):
    assert provenance.run_key(changed(path, "another"), "data", "code") == KEY


@pytest.mark.parametrize("path", ["seed", "trainer.epochs", "model._target_", "model.lr", "model.weights"])
def test_every_other_key_counts_and_so_do_data_and_code(path):
    assert provenance.run_key(changed(path, "another"), "data", "code") != KEY
    assert provenance.run_key(CONFIG, "other data", "code") != KEY
    assert provenance.run_key(CONFIG, "data", "other code") != KEY


LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3)
CONFIGS = st.recursive(LEAVES | st.lists(LEAVES, max_size=2), lambda x: st.dictionaries(st.text("ab_", min_size=1), x))


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("ab_", min_size=1), CONFIGS))
def test_order_and_the_spelling_of_numbers_do_not_change_the_key(config):
    def respelled(node):
        if isinstance(node, dict):
            return {key: respelled(value) for key, value in reversed(node.items())}
        if isinstance(node, list):
            return [respelled(value) for value in node]
        return float(node) if isinstance(node, int) and not isinstance(node, bool) else node

    assert provenance.run_key(config, "", "") == provenance.run_key(respelled(config), "", "")


def test_true_is_not_one():
    assert provenance.run_key({"a": True}, "", "") != provenance.run_key({"a": 1}, "", "")
    assert provenance.differing_keys({"a": True}, {"a": 1}) == ["a"]


def test_differing_keys_name_the_reason(tmp_path):
    old = runs.identity_of(finished(tmp_path).folder)
    assert provenance.differing_keys(old, provenance.identity(CONFIG, "data", "code")) == []
    assert provenance.differing_keys(old, provenance.identity(changed("trainer.epochs", 3), "data", "code")) == [
        "trainer.epochs"
    ]
    assert provenance.differing_keys(old, provenance.identity(CONFIG, "new", "newer")) == ["(code)", "(data)"]


def test_the_code_hash_sees_edits_and_new_files(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "src" / "provenance.py"))
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    digest = provenance._source_digest.__wrapped__  # without the memory of what this process runs
    monkeypatch.setattr(provenance, "_source_digest", digest)
    hashes = [provenance.code_hash("strict")]
    (tmp_path / "src" / "a.py").write_text("x = 2")
    hashes.append(provenance.code_hash("strict"))
    (tmp_path / "src" / "b.py").write_text("")
    hashes.append(provenance.code_hash("strict"))
    assert len(set(hashes)) == 3
    assert provenance.code_hash("any") == ""


# --- a run from beginning to end ---


def of_code(root, code, data="data", *, end=True):
    """A run of CONFIG by some code on some data; finished, unless it is only opened."""
    key = provenance.run_key(CONFIG, data, code)
    record = provenance.describe(key, "a", 0, data, code) | {"config_key": provenance.config_key(CONFIG)}
    run = runs.open_run(root, "a", key, CONFIG, record, resume=False, force=False)
    if end and not run.finished:
        with run:
            run.write_json("metrics.json", {"score": 0.75})
    return run


def test_where_any_code_will_do_the_latest_finished_run_of_any_is_found(tmp_path):
    of_code(tmp_path, "old")
    newer = of_code(tmp_path, "new")
    other_data = of_code(tmp_path, "newest", data="other")
    found = of_code(tmp_path, "", end=False)
    assert found.finished
    assert found.folder == newer.folder != other_data.folder
    assert not of_code(tmp_path, "edited", end=False).finished, "a strict run repeats what other code has made"
    assert not of_code(tmp_path, "", data="more", end=False).finished


def test_a_finished_run_is_found_again_whatever_its_name(tmp_path):
    run = finished(tmp_path)
    assert run.folder.name == f"a-{KEY}"
    assert not (run.folder / "LEASE").exists()
    assert {path.name for path in run.folder.iterdir()} >= {"config.yaml", "record.json", "metrics.json", "DONE"}
    again = opened(tmp_path, name="b")
    assert again.finished
    assert again.folder == run.folder
    assert again.score() == 0.75


def test_the_record_tells_code_machine_and_versions(tmp_path):
    record = json.loads((finished(tmp_path).folder / "record.json").read_text())
    assert record["key"] == KEY
    assert record["schema"] == 1
    assert record["versions"]["python"] == sys.version.split()[0]
    assert {"torch", "numpy"} <= record["versions"].keys()
    assert {"host", "cpu", "gpu", "cores", "command", "created", "git_revision", "git_dirty", "seed"} <= record.keys()
    assert "diff" not in record


def test_passwords_stay_out_of_the_record(tmp_path, monkeypatch):
    uri = "postgresql://me:hunter@2@host/db?sslpassword=hunter3"
    monkeypatch.setattr(sys, "argv", ["run.py", f"tracking.uri={uri}"])
    run = finished(tmp_path, config=changed("tracking.uri", uri))
    assert not [path for path in run.folder.iterdir() if path.name != "code.diff" and "hunter" in path.read_text()]
    assert "me:***@host/db" in (run.folder / "config.yaml").read_text()


def test_force_stands_beside_and_continues_where_it_was_interrupted(tmp_path):
    first = finished(tmp_path)
    second = opened(tmp_path, force=True)
    assert second.folder.name == f"a-{KEY}-2"
    died(second)
    again = opened(tmp_path, force=True, resume=True)
    assert again.resuming
    assert again.folder == second.folder
    with again:
        pass
    assert opened(tmp_path, force=True).folder.name == f"a-{KEY}-3"
    assert opened(tmp_path).folder == first.folder


def test_resume_continues_in_the_same_folder_and_says_so_in_the_record(tmp_path):
    first = opened(tmp_path)
    first.record_epoch(1, {"loss": 1.0})
    died(first)
    second = opened(tmp_path, resume=True)
    assert second.resuming
    assert not second.finished
    assert second.folder == first.folder
    assert len(runs.history(second.folder)) == 1
    assert len(json.loads((second.folder / "record.json").read_text())["resumed"]) == 1


def test_without_resume_the_old_folder_is_set_aside(tmp_path):
    for number in (1, 2):
        run = opened(tmp_path)
        (run.folder / "last.pt").write_text(f"{number}")
        died(run)
    fresh = opened(tmp_path)
    assert fresh.folder == run.folder
    assert not fresh.resuming
    assert not (fresh.folder / "last.pt").exists()
    for number in (1, 2):
        aside = tmp_path / f"a-{KEY}.aborted-{number}"
        assert (aside / "last.pt").read_text() == f"{number}"
        assert done(aside)["status"] == "killed"
        assert not (aside / "LEASE").exists()


@pytest.mark.parametrize(("error", "status", "reason"), [
    (RuntimeError("boom"), "failed", "RuntimeError: boom"),
    (UserError("bad file"), "failed", "UserError: bad file"),
    (SystemExit(3), "failed", "SystemExit: 3"),
    (SystemExit(0), "killed", "left before its end"),
    (KeyboardInterrupt(), "killed", "interrupted from the keyboard"),
    (ValueError("postgresql://me:hunter2@host"), "failed", "ValueError: postgresql://me:***@host"),
])  # fmt: skip
def test_the_status_is_true_and_no_end_looks_finished(tmp_path, error, status, reason):
    with pytest.raises(type(error)), opened(tmp_path) as run:
        raise error
    assert (done(run.folder)["status"], done(run.folder)["reason"]) == (status, reason)
    assert runs.status(run.folder) == status
    assert not run.finished
    assert not opened(tmp_path).finished


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_run_as_killed_and_the_handler_is_given_back(tmp_path, number):
    before = signal.getsignal(number)

    def signalled():
        os.kill(os.getpid(), number)
        time.sleep(5)

    with pytest.raises(SystemExit) as caught, opened(tmp_path) as run:
        signalled()
    assert caught.value.code == 128 + number
    assert done(run.folder) | {"ended": ""} == {"status": "killed", "reason": number.name, "ended": ""}
    assert signal.getsignal(number) == before


def test_pruned_is_a_status_of_its_own_and_not_finished(tmp_path):
    with opened(tmp_path) as run:
        run.finish("pruned", "at epoch 3")
    assert runs.status(run.folder) == "pruned"
    assert opened(tmp_path, resume=True).resuming


def test_a_run_works_outside_the_main_thread(tmp_path):
    thread = threading.Thread(target=finished, args=[tmp_path])
    thread.start()
    thread.join()
    assert opened(tmp_path).finished


# --- claims ---


def test_a_living_process_is_named_and_left_alone(tmp_path):
    opened(tmp_path)
    for resume in (False, True):
        with pytest.raises(UserError, match=rf"process {os.getpid()} on \S+ works on this very run"):
            opened(tmp_path, resume=resume)
    assert runs.reap(tmp_path) == []


def test_a_run_that_ends_while_it_is_looked_at_is_found_finished(tmp_path, monkeypatch):
    folder = finished(tmp_path).folder
    status, first = runs.status, iter(["running"])
    monkeypatch.setattr(runs, "status", lambda path: next(first, None) or status(path))
    again = opened(tmp_path, resume=True)
    assert again.finished
    assert again.folder == folder
    assert not (folder / "LEASE").exists()
    assert status(folder) == "finished"
    assert "resumed" not in json.loads((folder / "record.json").read_text())


CONTENDER = """
import sys, time
from pathlib import Path
from src import provenance, runs
from src.errors import UserError
root, resume = Path(sys.argv[1]), sys.argv[2] == "True"
print("ready", flush=True)
sys.stdin.readline()
try:
    run = runs.open_run(root, "a", sys.argv[3], {"seed": 0}, provenance.describe(sys.argv[3], "a", 0, "", ""), resume=resume, force=False)
    print("mine", flush=True)
except UserError as error:
    print(error, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("before", ["nothing", "dead", "failed"])
@pytest.mark.parametrize("resume", [False, True])
def test_of_eight_processes_exactly_one_gets_the_run(tmp_path, before, resume):
    if before == "dead":
        died(opened(tmp_path))
    elif before == "failed":
        with pytest.raises(RuntimeError), opened(tmp_path):
            raise RuntimeError
    command = [sys.executable, "-c", CONTENDER, str(tmp_path), str(resume), KEY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(8)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 8
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.stdout.readline() for process in processes]
    for process in processes:
        process.communicate("stop\n")
    assert answers.count("mine\n") == 1
    assert sum("works on this very run" in answer for answer in answers) == 7
    assert len([path for path in tmp_path.iterdir() if ".aborted-" in path.name]) == (
        before != "nothing" and not resume
    )
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_another_machine_is_judged_by_its_heartbeat(tmp_path):
    run = opened(tmp_path)
    lease = run.folder / "LEASE"
    lease.write_text(json.dumps({**json.loads(lease.read_text()), "machine": "elsewhere", "host": "node7"}))
    with pytest.raises(UserError, match="on node7"):
        opened(tmp_path, resume=True)
    os.utime(lease, (time.time() - 2 * STALE,) * 2)
    assert opened(tmp_path, resume=True).resuming


def test_a_later_process_of_the_same_number_is_not_the_owner(tmp_path):
    lease = opened(tmp_path).folder / "LEASE"
    lease.write_text(json.dumps({**json.loads(lease.read_text()), "started": "1"}))
    assert opened(tmp_path, resume=True).resuming


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": null}'])
def test_a_torn_lease_is_judged_by_its_age(tmp_path, content):
    lease = opened(tmp_path).folder / "LEASE"
    lease.write_text(content)
    with pytest.raises(UserError, match="works on this very run"):
        opened(tmp_path, resume=True)
    os.utime(lease, (time.time() - 2 * STALE,) * 2)
    assert opened(tmp_path, resume=True).resuming


def test_a_process_that_lost_its_run_writes_nothing_more(tmp_path):
    """Suspended for a minute, say, while another machine took the run over."""
    slow = opened(tmp_path)
    died(slow)
    with slow, opened(tmp_path, resume=True) as owner:
        owner.record_epoch(1, {"loss": 1.0})
        died_lease = (owner.folder / "LEASE").read_text()
        for write in (lambda: slow.record_epoch(1, {}), lambda: slow.write_json("metrics.json", {}), slow.finish):
            with pytest.raises(UserError, match="another process has taken this run over"):
                write()
        slow._lease.touch()
        slow._lease.release()
        assert (owner.folder / "LEASE").read_text() == died_lease
        owner.finish()
        with pytest.raises(UserError, match="another process"):
            slow.record_epoch(2, {})
        slow._lease = None
    assert [line["epoch"] for line in runs.history(owner.folder)] == [1]


def test_the_heartbeat_beats_while_the_run_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "HEARTBEAT", 0.02)
    with opened(tmp_path) as run:
        os.utime(run.folder / "LEASE", (1, 1))
        time.sleep(0.3)
        assert (run.folder / "LEASE").stat().st_mtime > 1
    assert not (run.folder / "LEASE").exists()


def test_the_reaper_marks_the_dead_once_and_spares_the_others(tmp_path):
    whole = finished(tmp_path / "x")
    dead = opened(tmp_path)
    died(dead)
    assert runs.status(dead.folder) == "killed"
    assert not (dead.folder / "DONE").exists()
    assert runs.reap(tmp_path) == [dead.folder]
    assert done(dead.folder)["reason"] == "process died"
    assert runs.reap(tmp_path) == []
    assert runs.reap(tmp_path / "x") == []
    assert done(whole.folder)["status"] == "finished"
    assert runs.reap(tmp_path / "nowhere") == []


# --- history ---


def test_a_history_torn_at_any_byte_is_read_and_continued(tmp_path):
    run = opened(tmp_path)
    path = run.folder / "history.jsonl"
    for epoch in (1, 2):
        run.record_epoch(epoch, {"val/loss": 1 / epoch, "nan": float("nan")})
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        complete = 0 if cut < first else 1
        assert [line["epoch"] for line in runs.history(run.folder)] == list(range(1, complete + 1))
        run.record_epoch(complete + 1, {"val/loss": 5.0})
        assert [line["epoch"] for line in runs.history(run.folder)] == list(range(1, complete + 2))
        assert runs.history(run.folder)[-1]["metrics"] == {"val/loss": 5.0}


def test_a_repeated_epoch_replaces_what_the_interrupted_run_wrote(tmp_path):
    run = opened(tmp_path)
    for epoch in (1, 2, 3):
        run.record_epoch(epoch, {"loss": 0.0})
    run.record_epoch(2, {"loss": 1.0})
    assert [(line["epoch"], line["metrics"]["loss"]) for line in runs.history(run.folder)] == [(1, 0.0), (2, 1.0)]
    assert [line["epoch"] for line in runs.history(run.folder, after=1)] == [2]


def test_what_is_sealed_stands_apart_from_the_metrics(tmp_path):
    run = opened(tmp_path)
    run.record_epoch(1, {"val/loss": 1}, {"test/accuracy": 0.5})
    run.record_epoch(2, {"val/loss": 2}, {})
    first, second = runs.history(run.folder)
    assert (first["metrics"], first["sealed"]) == ({"val/loss": 1.0}, {"test/accuracy": 0.5})
    assert "sealed" not in second


# --- finding and tidying ---


def test_runs_are_found_by_path_name_and_key(tmp_path):
    folder = finished(tmp_path).folder
    for given_as in (str(folder), folder, folder.name, KEY, KEY[:5]):
        assert runs.load_run(given_as, tmp_path) == folder
    with pytest.raises(UserError, match=f"did you mean 'a-{KEY}'"):
        runs.load_run(f"b-{KEY}", tmp_path)
    with pytest.raises(UserError, match="no such run"):
        runs.load_run("xyz", tmp_path / "nowhere")
    finished(tmp_path, force=True)
    assert runs.load_run(folder.name, tmp_path) == folder
    with pytest.raises(UserError, match=f"more than one run begins so: a-{KEY}, a-{KEY}-2"):
        runs.load_run(KEY, tmp_path)


def test_clean_deletes_the_unfinished_and_keeps_what_is_cited_or_alive(tmp_path):
    root = tmp_path / "runs"
    whole, studies = finished(root).folder, tmp_path / "studies" / "s" / "runs"
    aborted = [root / f"a-{KEY}-2.aborted-{k}" for k in (1, 2)]
    for _ in aborted:
        died(opened(root, force=True))
    alive = opened(root, force=True).folder
    assert aborted[1].exists()
    studies.mkdir(parents=True)
    (studies / "1").symlink_to(aborted[1])
    half = root / ".a.0.part"
    half.mkdir()
    assert runs.clean(root) == [aborted[0]]
    os.utime(half, (1, 1))
    assert runs.clean(root) == [aborted[0], half]
    assert aborted[0].exists()
    assert runs.clean(root, dry=False) == [aborted[0], half]
    assert sorted(runs.run_folders(root)) == sorted([whole, alive, aborted[1]])
    assert not [path for path in root.iterdir() if path.name.endswith(".part")]
    assert runs.clean(root, finished=True) == [whole]
    (studies / "2").symlink_to(whole)
    assert runs.clean(root, finished=True) == []


def test_the_clean_command_is_dry_unless_told(tmp_path, capsys):
    with pytest.raises(RuntimeError), opened(tmp_path) as run:
        raise RuntimeError
    assert runs.main(["clean", f"runs_root={tmp_path}"]) == 0
    assert capsys.readouterr().out.startswith(f"{run.folder}\n1 runs would be deleted")
    assert run.folder.exists()
    assert runs.main(["clean", f"runs_root={tmp_path}", "--yes"]) == 0
    assert not run.folder.exists()


# --- what users get wrong ---


def test_a_root_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"runs_root=.*cannot write the run folder .*choose another runs_root"):
        opened(tmp_path / "file")
    with pytest.raises(UserError, match="cannot write the run folder"):
        opened(tmp_path, name="x" * 300)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_full_disk_leaves_no_folder_behind(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "write_text", full)
    with pytest.raises(UserError, match="No space left on device"):
        opened(tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_disk_that_fills_up_is_a_sentence_and_the_old_file_stays(tmp_path, monkeypatch):
    run = opened(tmp_path)
    run.write_json("task.json", {"a": 1})
    run.record_epoch(1, {"loss": 1.0})

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (lambda: run.write_json("task.json", {"a": 2}), lambda: run.record_epoch(2, {}), run.finish):
        with pytest.raises(UserError, match=r"cannot write \(No space left on device\); free some space"):
            write()
    assert json.loads((run.folder / "task.json").read_text()) == {"a": 1}
    assert not (run.folder / "DONE").exists()
    assert not list(run.folder.glob("*.part"))


def test_a_damaged_record_is_named(tmp_path):
    run = finished(tmp_path)
    (run.folder / "metrics.json").write_text("{")
    with pytest.raises(UserError, match=r"metrics\.json: not a readable record"):
        run.score()
