import type { RunReport, StreamReport } from '../engine/index.ts';
import { bytes, count, duration, plural, position, table } from './format.ts';
import type { Output, Style } from './output.ts';

/** How the run, and what asks about it, is said on the command line. */
export interface Again {
  readonly run: string;
  /** A file, or two URLs. */
  readonly job: string;
}

/** The end of a run, for a person: what arrived, how far, what is promised, and what to do next. */
export function printSummary(report: RunReport, jobName: string, again: Again, output: Output): void {
  if (report.streams.length > 0) output.say();
  const rows = report.streams.map((stream) => [
    `${mark(stream, output)} ${stream.stream}`, `→ ${stream.table}`, count(stream.read), count(stream.written), stream.rejected > 0 ? output.paint('yellow', count(stream.rejected)) : '',
    bytes(stream.bytes), how(stream), moved(stream), duration(stream.durationMs),
  ]);
  const columns = [{ title: '  stream' }, { title: '  target' }, { title: 'read', right: true }, { title: 'written', right: true }, { title: 'rejected', right: true }, { title: 'bytes', right: true }, { title: 'sync' }, { title: 'position' }, { title: 'time', right: true }];
  const [head, ...lines] = table(columns, rows);
  if (head !== undefined && rows.length > 0) output.say(output.paint('dim', head));
  for (const line of lines) output.say(line);
  for (const stream of report.streams) {
    for (const change of stream.schemaChanges) output.say(`  ${output.paint('cyan', 'schema')} ${stream.stream}: ${oneLine(change)}`);
  }
  output.say();
  output.say(headline(report, jobName, (style, text) => output.paint(style, text)));
  const next = nextStep(report, again);
  if (next !== '') output.say(`${output.paint('cyan', 'next:')} ${next}`);
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 110 ? `${line.slice(0, 109)}…` : line;
}

function mark(stream: StreamReport, output: Output): string {
  switch (stream.outcome) {
    case 'done': return output.paint('green', '✓');
    case 'nothing_new': return output.paint('dim', '=');
    case 'failed': return output.paint('red', '✗');
    case 'stopped': case 'not_started': return output.paint('yellow', '…');
  }
}

function how(stream: StreamReport): string {
  if (stream.outcome === 'not_started') return 'not started';
  if (stream.range) return `range ${stream.range.from}..${stream.range.to}`;
  if (stream.outcome === 'nothing_new') return 'incremental, nothing new';
  if (stream.sync === 'incremental' && stream.from !== undefined) return `incremental, ${count(stream.written)} since last run`;
  return `${stream.sync === 'incremental' ? 'incremental, first pass' : stream.sync}, ${stream.write}${stream.continued ? ', continued' : ''}`;
}

function moved(stream: StreamReport): string {
  const [from, to] = [stream.from, stream.to].map((value) => (value === undefined ? '' : position(value)));
  if (!from && !to) return '';
  if (from === to || !to) return `at ${from}`;
  return from ? `${from} → ${to}` : `→ ${to}`;
}

/** The run in one line. */
export function headline(report: RunReport, jobName: string, paint: (style: Style, text: string) => string): string {
  const written = report.streams.reduce((sum, stream) => sum + stream.written, 0);
  const rejected = report.streams.reduce((sum, stream) => sum + stream.rejected, 0);
  const failed = report.streams.filter((stream) => stream.outcome === 'failed').length;
  const incremental = report.streams.length > 0 && report.streams.every((stream) => stream.sync === 'incremental' && stream.from !== undefined);
  const rows = incremental ? `${written === 0 ? 'nothing new' : plural(written, 'row')} since the last run, incremental,` : plural(written, 'row');
  const promise = promises(report);
  const time = `in ${duration(report.durationMs)}`;
  switch (report.outcome) {
    case 'ok': return `${paint('green', 'ok')} ${paint('bold', jobName)}: ${rows} ${time}, each readable at the destination${promise}`;
    case 'rejected_rows': return `${paint('yellow', 'partly')} ${paint('bold', jobName)}: ${rows} ${time}; ${plural(rejected, 'row')} rejected by name and kept in quarantine${promise}`;
    case 'stopped': return `${paint('yellow', 'stopped')} ${paint('bold', jobName)}: ${rows} committed ${time}${promise}`;
    case 'skipped': return `${paint('dim', 'skipped')} ${paint('bold', jobName)}: another run is at work`;
    case 'failed': return `${paint('red', 'failed')} ${paint('bold', jobName)}: ${failed > 0 ? `${plural(failed, 'stream')} of ${report.streams.length} failed` : 'the run ended early'} after ${duration(report.durationMs)}; ${written === 0 ? 'nothing was committed' : `${plural(written, 'row')} committed`}`;
  }
}

function promises(report: RunReport): string {
  const held = [...new Set(report.streams.map((stream) => stream.promise))];
  return held.length === 0 ? '' : ` (${held.join(', ')})`;
}

function nextStep(report: RunReport, again: Again): string {
  if (report.outcome === 'failed') return '';
  if (report.outcome === 'stopped') return `${again.run} goes on from the last commit`;
  if (report.outcome === 'rejected_rows') return `etl quarantine list ${again.job} shows which rows and why`;
  const incremental = report.streams.some((stream) => stream.sync === 'incremental');
  if (incremental) return `${again.run} again reads only what is new`;
  return 'add `sync: incremental` and a `cursor` to read only what is new next time';
}
