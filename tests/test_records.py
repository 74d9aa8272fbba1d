"""JSON and CSV as people and git like them."""

from sprout.runtime.files import read_json, write_json, write_rows


def test_json_round_trip(tmp_path):
    value = {"z": [1, 2.5, None, True], "a": {"name": "Größe"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert list(read_json(tmp_path / "x.json")) == ["z", "a"]


def test_json_reads_well(tmp_path):
    write_json(tmp_path / "x.json", {"ä": 1})
    assert (tmp_path / "x.json").read_bytes() == '{\n  "ä": 1\n}\n'.encode()


def test_rows(tmp_path):
    rows = [{"name": "a,b", "value": 0.1}, {"value": None, "name": 'say "é"'}]
    write_rows(tmp_path / "x.csv", ["name", "value"], rows)
    assert (tmp_path / "x.csv").read_bytes() == 'name,value\n"a,b",0.1\n"say ""é""",\n'.encode()


def test_no_rows_have_a_head(tmp_path):
    write_rows(tmp_path / "x.csv", ["name", "value"], [])
    assert (tmp_path / "x.csv").read_text() == "name,value\n"
