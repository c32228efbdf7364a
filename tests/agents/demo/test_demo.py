"""The demonstration as a newcomer runs it: a process of its own, three Ray nodes, an exit code."""

import json
import os
import subprocess
import sys

import numpy
import pytest

from agents.demo import demonstrate
from agents.demo.hospitals import place_file
from agents.demo.running import HospitalsMissing

pytest.importorskip("sklearn", reason="the data comes with scikit-learn: install sojourn[demo]")


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-m", "agents.demo", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={**environment, "RAY_AUTH_MODE": "disabled", **more},
    )


def test_the_demonstration_from_end_to_end(tmp_path) -> None:
    """Its numbers are those of numpy and scikit-learn, computed here from the whole data set."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    answer = run("--format", "json", SOJOURN_HOME=str(tmp_path / "home"))
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    data = load_breast_cancer()
    result = {name: numpy.array(value) for name, value in told["result"].items()}
    numpy.testing.assert_allclose(result["mean"], data.data.mean(axis=0), rtol=1e-12)
    numpy.testing.assert_allclose(result["variance"], data.data.var(axis=0), rtol=1e-11)
    numpy.testing.assert_allclose(result["correlation"], numpy.corrcoef(data.data.T), atol=1e-12)
    standardised = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(standardised, data.target)
    numpy.testing.assert_allclose(result["weights"][1:], model.coef_[0], atol=1e-9)
    numpy.testing.assert_allclose(result["weights"][0], model.intercept_[0], atol=1e-9)
    assert result["right"] / 569 == model.score(standardised, data.target)
    assert told["holds"] and told["carried"]["steady"]
    assert told["passport"]["verified"] and len(told["passport"]["links"]) == len(told["moves"]) == 35
    assert {link["signed_by"] for link in told["passport"]["links"]} == {"place:baku", "place:oslo", "place:lima"}
    assert not (tmp_path / "home").exists(), "a demonstration leaves no key behind"


def test_it_runs_on_a_cluster_that_is_there(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its places are hospitals by their resource files alone; the cluster goes on afterwards."""
    from agents import connect

    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    files = {}
    for site, place in enumerate(("quito", "turku", "accra")):
        files[place] = tmp_path / f"{place}.toml"
        files[place].write_text(place_file(site))
    home = tmp_path / "home"
    with connect("local", places=tuple(files), place_files=files, home=home, progress=lambda line: None) as platform:
        assert platform.address is not None
        answer = run("--address", platform.address, "--rounds", "2", SOJOURN_HOME=str(home))
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "not converged yet" in answer.stdout
        assert answer.stdout.rstrip().endswith("to rounding.")
        assert [place.name for place in platform.places()] == ["accra", "quito", "turku"]
        (status,) = platform.agents(ended=True)
        assert status.agent in answer.stdout


def test_the_place_file_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert demonstrate(["--place-file", "2"]) == 0
    assert "site = 2" in capsys.readouterr().out


@pytest.mark.parametrize("rounds", ["0", "81", "many"])
def test_impossible_rounds_are_usage(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demonstrate(["--rounds", rounds])
    assert ended.value.code == 2
    assert "--rounds" in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started instead of it."""
    assert demonstrate(["--address", "127.0.0.1:9"]) == 4
    assert "127.0.0.1:9" in capsys.readouterr().err


def test_a_cluster_without_hospitals_is_told_how_to_get_them() -> None:
    assert "--place-file" in str(HospitalsMissing("10.0.0.1:6379", ["oslo"]))
