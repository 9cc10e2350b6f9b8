"""Configuration files for tests. JSON is YAML."""

import json

from . import program


class Configuration:
    """A calve.yaml beside the warehouse, and the commands that go by it."""

    def __init__(self, hot, url=None):
        self.cold = hot.cold
        self.file = self.cold.folder / "calve.yaml"
        self.content = {
            "source": {"url": url or hot.url},
            "catalog": self.cold.configured,
            "state": {"url": self.cold.state},
            "defaults": {"cursor": {"timestamp": "ts"}, "buffer": "0s"},
        }

    def write(self, *tables, **sections):
        """Each table: its name, or a mapping that has at least `source`."""
        listed = []
        for table in tables:
            table = {"source": table} if isinstance(table, str) else dict(table)
            table.setdefault("target", f"cold.{table.get('name') or table['source']}")
            listed.append(table)
        for name, section in sections.items():
            self.content[name] = {**self.content.get(name, {}), **section}
        self.content["tables"] = listed
        self.file.write_text(json.dumps(self.content, indent=1))
        return self

    def run(self, *arguments, code=program.DONE, **options):
        """`calve run`: {name: what became of the table}, and all of the object under None."""
        outcome = program.run("run", "--config", self.file, "--json", *arguments, code=code, **options)
        return {None: outcome.json, **{table["name"]: table for table in outcome.json.get("tables", [])}}

    def start(self, *arguments, **options):
        return program.start(arguments[0], "--config", self.file, *arguments[1:], **options)
