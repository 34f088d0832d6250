"""Files and archives that hold the same few rows."""

import zipfile

from temper.ingest import local_files

ROWS = {"text": ["a", "中"], "label": ["x", "y"]}
TEXTS = {
    ".csv": "text,label\na,x\n中,y\n",
    ".tsv": "text\tlabel\na\tx\n中\ty\n",
    ".json": '[{"text": "a", "label": "x"}, {"text": "中", "label": "y"}]',
    ".jsonl": '{"text": "a", "label": "x"}\n{"text": "中", "label": "y"}\n',
}


def columns_of(file):
    """Return all rows of a file as columns."""
    found = {}
    for batch in local_files.read([file]):
        for name, values in batch.items():
            found.setdefault(name, []).extend(values)
    return found


def contents(suffix, folder):
    """Return the bytes of a file that holds `ROWS`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if suffix in TEXTS:
        return TEXTS[suffix].encode()
    file, table = folder / f"plain{suffix}", pa.table(ROWS)
    if suffix == ".parquet":
        pq.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return file.read_bytes()


def zipped(file, members):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file
