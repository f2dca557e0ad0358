// What most would write in Node: a cursor that gives objects, and a Parquet writer that takes columns of values. obvious.mjs URL FILE
import { writeFileSync } from 'node:fs';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import pg from 'pg';
import Cursor from 'pg-cursor';

const [url, file] = process.argv.slice(2);
const BATCH = 10_000;
const COLUMNS = [
  ['id', 'INT64'], ['ts', 'INT64', 'TIMESTAMP_MILLIS'], ['email', 'BYTE_ARRAY', 'UTF8'], ['country', 'BYTE_ARRAY', 'UTF8'],
  ['note', 'BYTE_ARRAY', 'UTF8'], ['amount', 'DOUBLE'], ['score', 'DOUBLE'], ['active', 'BOOLEAN'],
];

const client = new pg.Client({ connectionString: url });
await client.connect();
const cursor = client.query(new Cursor('select * from mixed'));
const bytes = new ByteWriter();
const fields = COLUMNS.map(([name, type, converted]) => ({ name, type, repetition_type: 'OPTIONAL', ...(converted ? { converted_type: converted } : {}) }));
const writer = new ParquetWriter({ writer: bytes, schema: [{ name: 'root', num_children: COLUMNS.length }, ...fields] });
for (let rows = await cursor.read(BATCH); rows.length > 0; rows = await cursor.read(BATCH)) {
  await writer.write({ columnData: COLUMNS.map(([name]) => ({ name, data: rows.map((row) => (name === 'id' ? BigInt(row.id) : row[name])) })), rowGroupSize: BATCH });
}
await writer.finish();
writeFileSync(file, new Uint8Array(bytes.getBuffer()));
await client.end();
