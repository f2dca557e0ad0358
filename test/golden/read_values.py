"""Reads Parquet files of the golden table with pyarrow, and finds every value of it again by a predicate.

python3 read_values.py FILE...

Prints as JSON, by the row's id, the column that the row sets, its value as a text of which dates and times are the integers that the file
holds, and how many rows the predicate `column == value` finds through the reader, which skips row groups and pages by their statistics.
"""

import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.compute as pc


def text_of(scalar):
    kind = scalar.type
    if pa.types.is_temporal(kind):
        return str(scalar.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64()).as_py())
    if pa.types.is_list(kind):
        return json.dumps([None if not each.is_valid else text_of(each) for each in scalar.values])
    if pa.types.is_binary(kind):
        return scalar.as_py().hex()
    return format(scalar.as_py(), "f") if pa.types.is_decimal(kind) else str(scalar.as_py())


def storage(column):
    """uuid and JSON are extension types: their predicates go by what lies in the file."""
    kind = column.type
    return column.cast(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else column


def found(path, name, value):
    if pa.types.is_nested(value.type):
        return None
    test = pc.is_nan(pc.field(name)) if pa.types.is_floating(value.type) and value.as_py() != value.as_py() else pc.field(name) == value
    try:
        return pq.read_table(path, columns=[name], filters=test).num_rows
    except pa.ArrowNotImplementedError:
        return None  # pyarrow has no such comparison for the type


def main(paths):
    rows = {}
    for path in paths:
        table = pq.read_table(path)
        table.validate(full=True)
        ids = table["id"].to_pylist()
        for name in table.column_names:
            if name in ("id", "at"):
                continue
            column = table[name]
            for row, valid in enumerate(column.is_valid().to_pylist()):
                if valid:
                    value = storage(column)[row]
                    rows[ids[row]] = {"column": name, "text": text_of(value), "found": found(path, name, value)}
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
