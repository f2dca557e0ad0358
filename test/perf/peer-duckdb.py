"""DuckDB with its postgres scanner: peer-duckdb.py SOURCE_URL TABLE parquet|duckdb|postgres PLACE"""
import sys
from urllib.parse import urlparse

import duckdb
from duckdb_extensions import import_extension


def dsn(url):
    u = urlparse(url)
    return f"host={u.hostname} port={u.port} user={u.username} password={u.password} dbname={u.path[1:]}"


source, table, kind, place = sys.argv[1:5]
connection = duckdb.connect(place if kind == "duckdb" else ":memory:")
import_extension("postgres_scanner")
connection.execute("load postgres_scanner")
connection.execute(f"attach '{dsn(source)}' as s (type postgres, read_only)")
if kind == "parquet":
    connection.execute(f"copy s.public.{table} to '{place}' (format parquet, compression 'snappy')")
elif kind == "duckdb":
    connection.execute(f"create or replace table main.{table} as from s.public.{table}")
else:
    connection.execute(f"attach '{dsn(place)}' as t (type postgres)")
    connection.execute(f"create table t.public.{table} as from s.public.{table}")
