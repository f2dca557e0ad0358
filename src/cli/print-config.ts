import { showPath } from '../job/diagnostics.ts';
import type { Loaded } from '../job/load.ts';
import { DEFAULTS } from '../job/resolve.ts';
import type { Outcome } from './command.ts';
import { table } from './format.ts';
import type { Output } from './output.ts';

const IMPLIED: readonly (readonly [string, string | number])[] = [
  ['mode', 'batch'], ['limits.concurrency', DEFAULTS.limits.concurrency], ['limits.memory', '512MiB'], ['retry.attempts', DEFAULTS.retry.attempts], ['retry.backoff', DEFAULTS.retry.backoff],
  ['retry.initial_delay', '500ms'], ['retry.max_delay', '2m'], ['commit.interval', '1m'], ['commit.bytes', '256MiB'], ['defaults.errors.max_bad', '1%'], ['defaults.errors.bad_rows', 'quarantine'],
];

/** Each value of a job and where it was said. */
export function printConfig(loaded: Loaded, output: Output): Outcome {
  const said = loaded.origins.map(({ path, shown, from }) => ({ key: showPath(path), value: shown, from }));
  const all = [...said, ...IMPLIED.filter(([key]) => !said.some((entry) => entry.key === key)).map(([key, value]) => ({ key, value, from: 'default' }))].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  if (!output.options.json) {
    for (const line of table([{ title: 'key' }, { title: 'value' }, { title: 'from' }], all.map(({ key, value, from }) => [key, output.redactor.text(show(value)), from]))) output.data(line);
  }
  return { summary: `${all.length} values`, result: all };
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : Array.isArray(value) ? `[${value.map(show).join(', ')}]` : String(value);
}
