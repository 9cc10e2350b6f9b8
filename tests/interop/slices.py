"""A window by the three commands: plan, write-slice, commit."""

import json

from . import program


class Slices:
    def __init__(self, hot, table="trades", source=None, cursor="ts"):
        self.hot, self.cold, self.table, self.cursor, self.source = hot, hot.cold, table, cursor, source or hot.url

    def plan(self, *more, code=program.DONE):
        """The lines; the outcome where it is to fail."""
        self.planned = program.run("plan", "--source", self.source, "--source-table", self.table, "--target-table", f"cold.{self.table}",
                                   "--timestamp-col", self.cursor, *self.cold.arguments, *more, code=code, env=self.cold.env)
        return self.planned.out.splitlines() if code == program.DONE else self.planned

    def write(self, lines, *more, code=program.DONE):
        self.written = program.run("write-slice", "--source", self.source, *more, code=code, env=self.cold.env, lines=lines)
        return self.written.out.splitlines() if code == program.DONE else self.written

    def start_writing(self, **options):
        """Reads the lines from its stdin."""
        return program.start("write-slice", "--source", self.source, env=self.cold.env, stdin=-1, **options)

    def commit(self, lines, *more, code=program.DONE):
        """The JSON object; the outcome where it is to fail."""
        self.committed = program.run("commit", "--json", *self.cold.arguments, *more, code=code, env=self.cold.env, lines=lines)
        return self.committed.json if code == program.DONE else self.committed

    @property
    def place(self):
        return self.cold.warehouse / "cold" / self.table

    def data_files(self):
        """Paths of all that is in the table's data folder."""
        return {str(path) for path in (self.place / "data").rglob("*.parquet")} if (self.place / "data").exists() else set()

    def plan_files(self):
        folder = self.place / "calve-plans"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def held_files(self, pyiceberg):
        """Paths of the files that the table's snapshots hold."""
        return {path.removeprefix("file://") for path in pyiceberg.load(self.cold.table(self.table)).inspect.all_data_files()["file_path"].to_pylist()}

    def assert_nothing_is_left(self, pyiceberg):
        assert self.plan_files() == []
        assert self.data_files() == self.held_files(pyiceberg)


def changed(line, **members):
    return json.dumps({**json.loads(line), **members})
