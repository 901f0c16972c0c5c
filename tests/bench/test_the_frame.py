from bench import run
from bench.measuring import Row, expect, medians


def row(ratio, **more):
    return Row("r", "≤ 2 × it", ratio, 2.0, "2 s", "1 s", "1 chat", **more)


def bench(*rows):
    return {"some": lambda _: iter(rows)}


def failing(_):
    yield row(1.0)
    expect(0, 10_000, "jobs of the run")


def test_a_run_passes_only_if_every_row_does(capsys):
    assert run.main([], benches=bench(row(2.0), row(2.1, at_least=True))) == 0
    assert run.main([], benches=bench(row(1.0), row(2.01))) == 1, "a row missed its target"
    assert run.main([], benches=bench(row(1.9, at_least=True))) == 1, "a row stayed under its floor"
    assert run.main([], benches=bench()) == 1, "a bench that measured nothing passed"
    assert run.main([], benches={"some": failing}) == 1, "a wrong count passed"
    assert "jobs of the run: 0 instead of 10000" in capsys.readouterr().out


def test_the_table_takes_the_place_of_the_last_one(tmp_path):
    file = tmp_path / "benchmarks.md"
    file.write_text("# Text\n<!-- written by make bench -->\nold\n<!-- end of make bench -->\nmore\n")
    for ratio in (1.25, 1.5):
        run.main(["--write", str(file)], benches=bench(row(ratio)))
    written = file.read_text()
    assert written.startswith("# Text\n")
    assert written.endswith("-->\nmore\n")
    assert "| 1.50 × | met | 2 s | 1 s | 1 chat |" in written
    assert "1.25" not in written


def test_the_first_round_only_warms_up():
    values = iter([90.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert medians(lambda: next(values)) == (3.0,)
