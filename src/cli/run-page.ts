import type { RunReport, StreamReport } from '../engine/index.ts';
import { bytes, count, duration, position } from './format.ts';
import type { Bar, Recording, Sample } from './recorder.ts';

const WIDTH = 960;
const HEIGHT = 140;
const BAR_HEIGHT = 18;
/** Room for what a bar is, and how many characters of 11 px are sure to fit there. */
const LABEL = 380;
const MOST_LABEL = 60;

/** A run as one HTML page that loads nothing: what arrived, how fast, by which splits, what changed and what went wrong. */
export function runPage(report: RunReport, recording: Recording, headline: string): string {
  const rates = ratesOf(recording.samples);
  const { durationMs } = recording;
  const parts = [
    `<h1>${escaped(report.job)}</h1><p class="${report.outcome === 'ok' ? 'good' : 'bad'}">${escaped(headline)}</p>`,
    `<p class="dim">run ${escaped(report.runId)}, began ${escaped(report.startedAt)}, took ${duration(report.durationMs)}</p>`,
    errorsOf(report),
    streamsOf(report.streams),
    chart('Rows a second', rates.map(({ at, rows }) => [at, rows]), { durationMs, told: count }),
    chart('Bytes a second', rates.map(({ at, bytes }) => [at, bytes]), { durationMs, told: bytes }),
    chart('Memory', recording.samples.map(({ at, memory }) => [at, memory]), { durationMs, told: bytes }),
    chart('Time of a commit, from the last batch before it', recording.commits.map(({ at, ms }) => [at, ms]), { durationMs, told: duration, draw: dots }),
    gantt(recording.bars, durationMs),
    changesOf(report.streams),
    remarksOf(recording),
  ];
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>${escaped(report.job)}</title><style>${STYLE}</style></head>\n<body>\n${parts.filter((part) => part !== '').join('\n')}\n</body></html>\n`;
}

const STYLE = `:root{color-scheme:light dark;--line:#2563eb;--soft:#8884;--dim:#777;--good:#15803d;--bad:#b91c1c}
@media(prefers-color-scheme:dark){:root{--line:#7aa2ff;--dim:#999;--good:#4ade80;--bad:#f87171}}
body{font:14px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem}h1{font-size:1.4rem;margin:0}h2{font-size:1rem;margin:1.6rem 0 .3rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--soft);vertical-align:top}.n{text-align:right;white-space:nowrap}
.scroll{overflow-x:auto}.dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--dim)}
polyline{fill:none;stroke:var(--line);stroke-width:1.5}.axis{stroke:var(--soft)}.bar,circle{fill:var(--line)}code{font-size:.9em;overflow-wrap:anywhere}`;

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Between one sample and the next. */
function ratesOf(samples: readonly Sample[]): { at: number; rows: number; bytes: number }[] {
  return samples.slice(1).map((sample, index) => {
    const before = samples[index] ?? sample;
    const seconds = Math.max(0.001, (sample.at - before.at) / 1000);
    return { at: sample.at, rows: (sample.rows - before.rows) / seconds, bytes: (sample.bytes - before.bytes) / seconds };
  });
}

type Points = readonly (readonly [at: number, value: number])[];

const line = (places: readonly string[]): string => `<polyline points="${places.join(' ')}"/>`;
const dots = (places: readonly string[]): string => places.map((at) => `<circle cx="${at.replace(',', '" cy="')}" r="2.5"/>`).join('');

function chart(title: string, points: Points, { durationMs, told, draw = line }: { readonly durationMs: number; told(value: number): string; draw?(places: readonly string[]): string }): string {
  if (points.length === 0) return '';
  const most = Math.max(...points.map(([, value]) => value));
  if (most <= 0) return '';
  const places = points.map(([at, value]) => `${((at / Math.max(1, durationMs)) * WIDTH).toFixed(1)},${(HEIGHT - (value / most) * HEIGHT).toFixed(1)}`);
  return `<h2>${escaped(title)}</h2><svg viewBox="0 -14 ${WIDTH} ${HEIGHT + 16}" role="img" aria-label="${escaped(title)}, at most ${escaped(told(most))}"><line class="axis" x1="0" y1="${HEIGHT}" x2="${WIDTH}" y2="${HEIGHT}"/><text x="0" y="-3">${escaped(told(most))}</text>${draw(places)}</svg>`;
}

function gantt(bars: readonly Bar[], durationMs: number): string {
  if (bars.length === 0) return '';
  const scale = (WIDTH - LABEL) / Math.max(1, durationMs);
  const rows = bars.map(({ label, from, to, rows: moved, commits }, index) => {
    const text = `${label}: ${count(moved)} rows, ${count(commits)} ${commits === 1 ? 'commit' : 'commits'}, ${duration(to - from)}`;
    const short = text.length > MOST_LABEL ? `${text.slice(0, MOST_LABEL - 1)}…` : text;
    const y = index * BAR_HEIGHT;
    return `<text x="0" y="${y + 12}">${escaped(short)}</text><rect class="bar" x="${(LABEL + from * scale).toFixed(1)}" y="${y + 3}" width="${Math.max(2, (to - from) * scale).toFixed(1)}" height="${BAR_HEIGHT - 8}"><title>${escaped(text)}</title></rect>`;
  });
  return `<h2>Splits</h2><svg viewBox="0 0 ${WIDTH} ${bars.length * BAR_HEIGHT}">${rows.join('')}</svg>`;
}

function streamsOf(streams: readonly StreamReport[]): string {
  if (streams.length === 0) return '';
  const rows = streams.map((stream) => {
    const moved = [stream.from, stream.to].filter((value) => value !== undefined).map((value) => position(value)).join(' → ');
    const numbers = [stream.read, stream.written, stream.rejected].map((value) => `<td class="n">${count(value)}</td>`).join('');
    return `<tr><td>${escaped(stream.stream)}</td><td>${escaped(stream.table)}</td><td>${escaped(`${stream.sync}, ${stream.write}`)}</td>${numbers}<td class="n">${bytes(stream.bytes)}</td><td class="${stream.outcome === 'failed' ? 'bad' : ''}">${escaped(stream.outcome.replace('_', ' '))}</td><td>${escaped(moved)}</td><td class="n">${duration(stream.durationMs)}</td><td>${escaped(stream.promise)}</td></tr>`;
  });
  return `<h2>Streams</h2><div class="scroll"><table><thead><tr><th>stream<th>target<th>mode<th class="n">read<th class="n">written<th class="n">rejected<th class="n">bytes<th>outcome<th>position<th class="n">time<th>promise</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function errorsOf(report: RunReport): string {
  const errors = [...(report.error ? [{ stream: '', ...report.error }] : []), ...report.streams.flatMap(({ stream, error }) => (error ? [{ stream, ...error }] : []))];
  if (errors.length === 0) return '';
  const rows = errors.map(({ stream, code, message, hint, location }) => `<tr><td>${escaped(stream)}</td><td><code>${escaped(code)}</code></td><td>${escaped(message)}${location ? `<br><span class="dim">${escaped(`${location.file}:${location.line}:${location.column}`)}</span>` : ''}${hint === undefined ? '' : `<br>next: ${escaped(hint)}`}</td></tr>`);
  return `<h2 class="bad">Errors</h2><table>${rows.join('')}</table>`;
}

function changesOf(streams: readonly StreamReport[]): string {
  const rows = streams.flatMap(({ stream, schemaChanges }) => schemaChanges.map((change) => `<tr><td>${escaped(stream)}</td><td><code>${escaped(change)}</code></td></tr>`));
  return rows.length === 0 ? '' : `<h2>Schema</h2><table>${rows.join('')}</table>`;
}

function remarksOf({ remarks }: Recording): string {
  return remarks.length === 0 ? '' : `<h2>What happened</h2><table>${remarks.map(({ at, text }) => `<tr><td class="n dim">${duration(at)}</td><td>${escaped(text)}</td></tr>`).join('')}</table>`;
}
