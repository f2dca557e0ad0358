/** Reads the JSON files of a folder, each an array of orders, in the order of their names. A new file is new data. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { defineConnector, EtlError, simpleSource, z } from 'etl';

const order = z.object({ id: z.int(), customer: z.string(), total: z.string(), placed_at: z.string() });

export default defineConnector({
  name: 'my-source',
  title: 'JSON files of a folder',
  source: {
    config: z.strictObject({ folder: z.string() }),
    secrets: [],
    syncModes: ['full', 'incremental'],
    async create(config, context) {
      const folder = resolve(context.directory, config.folder);
      return simpleSource(context, {
        identity: `my-source:${config.folder}`,
        streams: {
          orders: {
            columns: { id: 'int64', customer: 'text', total: { kind: 'decimal', precision: 18, scale: 2 }, placed_at: 'timestamptz' },
            key: ['id'],
            async *read(from, stop) {
              const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
              for (const name of names.filter((one) => typeof from !== 'string' || one > from)) {
                if (stop.aborted) return;
                const parsed = z.array(order).safeParse(JSON.parse(await readFile(join(folder, name), 'utf8')));
                if (!parsed.success) throw new EtlError({ kind: 'data', code: 'MY-001', message: `${name}: ${z.prettifyError(parsed.error)}` });
                yield { rows: parsed.data, position: name };
              }
            },
          },
        },
      });
    },
  },
  errors: { 'MY-001': { title: 'A file is not a list of orders', text: 'The message says what is wrong with which file. Correct it and run again.' } },
});
