// What most would write in Node: a cursor that gives objects, and a Parquet writer that takes them row by row. obvious.mjs URL FILE PARQUETJS
import { createRequire } from 'node:module';
import pg from 'pg';
import Cursor from 'pg-cursor';

const [url, file, library] = process.argv.slice(2);
const { ParquetSchema, ParquetWriter } = createRequire(import.meta.url)(library);
const BATCH = 10_000;
const column = (type) => ({ type, optional: true, compression: 'SNAPPY' });

const client = new pg.Client({ connectionString: url });
await client.connect();
const cursor = client.query(new Cursor('select * from mixed'));
const writer = await ParquetWriter.openFile(new ParquetSchema({
  id: column('INT64'), ts: column('TIMESTAMP_MILLIS'), email: column('UTF8'), country: column('UTF8'), note: column('UTF8'), amount: column('DOUBLE'), score: column('DOUBLE'), active: column('BOOLEAN'),
}), file);
writer.setRowGroupSize(100_000);
for (let rows = await cursor.read(BATCH); rows.length > 0; rows = await cursor.read(BATCH)) {
  for (const row of rows) await writer.appendRow({ ...row, id: BigInt(row.id) });
}
await writer.close();
await client.end();
