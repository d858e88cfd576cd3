"""A cluster: as many tasks at once as the recipe says, none twice; and one that is away."""

import sys
from types import SimpleNamespace

import pytest

from lingloom.cli import main
from lingloom.errors import RunError
from lingloom.text.corpus.budget import budget
from lingloom.text.corpus.executor import Local, Ray
from lingloom.text.corpus.settings import CorpusSettings
from lingloom.text.corpus.work import perform
from lingloom.text.read import TextSettings


class Task:
    def __init__(self, folder, key):
        self.folder, self.key = str(folder), key

    def run(self):
        return {"key": self.key}


class Cluster(SimpleNamespace):
    """A stand-in for Ray: performs what is asked for when it is waited for, and counts."""

    def __init__(self, processors=16, answer=None):
        self.processors, self.answer = processors, answer
        self.asked: list[str] = []
        self.waiting: dict[str, object] = {}
        self.most = 0

    def is_initialized(self):
        return False

    def init(self, **how):
        self.how = how
        if self.answer is not None:
            raise self.answer

    def cluster_resources(self):
        return {"CPU": float(self.processors)}

    def remote(self, function):
        def ask(task):
            self.asked.append(task.key)
            self.waiting[task.key] = (function, task)
            self.most = max(self.most, len(self.waiting))
            return task.key

        return SimpleNamespace(remote=ask)

    def wait(self, references):
        return references[:1], references[1:]

    def get(self, reference):
        function, task = self.waiting.pop(reference)
        return function(task)

    def cancel(self, reference):
        self.waiting.pop(reference)


@pytest.fixture
def cluster(monkeypatch):
    def put(**how) -> Cluster:
        found = Cluster(**how)
        monkeypatch.setitem(sys.modules, "ray", found)
        return found

    monkeypatch.setenv("RAY_ADDRESS", "far:6379")
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "2")
    return put


@pytest.mark.parametrize(("workers", "processors", "most"), [(3, 16, 3), (8, 2, 2), (1, 0, 1)])
def test_at_most_as_many_tasks_at_once_as_the_recipe_says(
    tmp_path, cluster, workers, processors, most
):
    ray = cluster(processors=processors)
    executor = Ray(workers)
    assert executor.workers == most and ray.how["num_cpus"] is None
    done = dict(executor.map([Task(tmp_path, f"t{i}") for i in range(12)]))
    assert done == {i: {"key": f"t{i}"} for i in range(12)}
    assert ray.most == most


@pytest.mark.parametrize("kind", [Ray, Local])
def test_what_is_done_comes_first_and_is_not_asked_for_again(tmp_path, cluster, kind):
    ray = cluster()
    tasks = [Task(tmp_path, f"t{i}") for i in range(6)]
    for i in (4, 1):
        perform(tasks[i])
    assert [i for i, _ in kind(1).map(tasks)] == [1, 4, 0, 2, 3, 5]
    assert ray.asked == ([f"t{i}" for i in (0, 2, 3, 5)] if kind is Ray else [])


@pytest.mark.parametrize(
    "answer", [ConnectionError("no answer\nat all"), RuntimeError("another version"), OSError()]
)
def test_a_cluster_that_does_not_answer_is_told(cluster, answer):
    cluster(answer=answer)
    why = str(answer).partition("\n")[0] or "OSError"
    with pytest.raises(RunError, match=rf"at RAY_ADDRESS=far:6379 \({why}\); see that it runs"):
        Ray(2)


def test_the_command_says_what_to_do_about_a_cluster(tmp_path, cluster, capsys, monkeypatch):
    cluster(answer=ConnectionError("no answer"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("some text\n")
    (tmp_path / "r.yaml").write_text("text: {read: a.txt}\nexecutor: ray\nout: c\n")
    assert main(["clean", "r.yaml"]) == 1
    assert "unset RAY_ADDRESS to work on this machine alone" in capsys.readouterr().err
    monkeypatch.delenv("RAY_ADDRESS")
    assert main(["clean", "r.yaml"]) == 1
    assert "Ray does not start on this machine (no answer); set executor=local" in (
        capsys.readouterr().err
    )


def test_no_number_of_workers_means_all_that_the_memory_feeds_of_a_cluster(monkeypatch):
    settings = CorpusSettings(
        text=TextSettings(read="x"), memory="64GB", shard_mb=64, executor="ray"
    )
    monkeypatch.setenv("RAY_ADDRESS", "far:6379")
    assert budget(settings).workers > 100 and budget(settings).part_bytes == 32_000_000
    assert budget(settings.model_copy(update={"workers": 5})).workers == 5
    assert budget(settings.model_copy(update={"memory": "2GB"})).workers == 3
    monkeypatch.delenv("RAY_ADDRESS")
    assert budget(settings).workers < 100
