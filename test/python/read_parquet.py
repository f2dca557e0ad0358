"""Reads Parquet files with pyarrow: per column a count, the nulls and a checksum, and how many rows predicates find, as JSON.

The checksum does not depend on the order of the rows. Each predicate is counted twice: by the reader, which skips row groups and pages by their
statistics, and over the whole table in memory; a difference is a wrong statistic.

python3 read_parquet.py FILE...
"""

import hashlib
import json
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def storage(kind):
    """What lies in the file: dates and times as integers, since Python's own end at the year 9999, and extension types without their meaning."""
    if isinstance(kind, pa.BaseExtensionType):
        return storage(kind.storage_type)
    if pa.types.is_list(kind):
        return pa.list_(storage(kind.value_type))
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return pa.int32()
    return pa.int64() if pa.types.is_temporal(kind) else kind


def checksum(column):
    total = 0
    for value in column.cast(storage(column.type)).to_pylist():
        total += int.from_bytes(hashlib.blake2b(repr(value).encode(), digest_size=8).digest(), "big")
    return format(total % 2**64, "016x")


def predicates(path, table, name):
    """Counts of rows equal to, below and above some values of a column: from the file, and from the table."""
    column = table[name].combine_chunks()
    if pa.types.is_nested(column.type) or len(column) == column.null_count:
        return
    present = column.drop_null()
    for at in sorted({0, len(present) // 2, len(present) - 1}):
        value = present[at]
        for symbol, test in (("==", pc.equal), ("<", pc.less), (">", pc.greater)):
            try:
                expected = pc.sum(test(column, value)).as_py() or 0
                found = pq.read_table(path, columns=[name], filters=test(pc.field(name), value)).num_rows
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid, TypeError):
                continue  # pyarrow has no such comparison for the type
            yield {"where": f"{name} {symbol} {value.cast(storage(value.type)).as_py()!r}", "file": found, "table": expected}


def read(path):
    file = pq.ParquetFile(path)
    table = file.read()
    table.validate(full=True)
    return {
        "path": path,
        "rows": table.num_rows,
        "row_groups": file.metadata.num_row_groups,
        "created_by": file.metadata.created_by,
        "columns": {
            name: {"type": str(table.schema.field(name).type), "nulls": table[name].null_count, "checksum": checksum(table[name])}
            for name in table.column_names
        },
        "predicates": [found for name in table.column_names for found in predicates(path, table, name)],
    }


def main(paths):
    results = [read(path) for path in paths]
    json.dump(results, sys.stdout, indent=1)
    wrong = [p for result in results for p in result["predicates"] if p["file"] != p["table"]]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
