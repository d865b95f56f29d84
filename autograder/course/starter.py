def write(path):
    from pathlib import Path
    Path(path).mkdir(parents=True)
    (Path(path) / "README.md").write_text("x")
