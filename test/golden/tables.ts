import { ROUTES, type Route } from './route.ts';

/** By the row's id: what it holds, and what becomes of it. `exact: T` is the same value in the reader's spelling T, `mapped: T` another. */
export type Outcomes = Readonly<Record<string, Readonly<Record<Route, string>> & { readonly column: string; readonly type: string; readonly value: string }>>;

const code = (text: string): string => {
  const short = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  const visible = JSON.stringify(short).slice(1, -1).replaceAll('\\"', '"').replace(/[\u007f\u2028\ufeff\uffff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `\`${visible.replaceAll('|', '\\|').replaceAll('`', 'ˋ') || ' '}\``;
};

function cell(outcome: string): string {
  const [kind = '', ...rest] = outcome.split(': ');
  if (outcome === 'mapped: exact') return 'as text';
  return kind === 'mapped' ? `mapped: ${code(rest.join(': '))}` : kind === 'rejected' ? `rejected, ${rest.join(' ').split(' ')[0] ?? ''}` : kind;
}

const HEAD = `| Postgres type | value | ${ROUTES.join(' | ')} |\n|---|---|${ROUTES.map(() => '---|').join('')}`;

/** The types whose every value is exact everywhere. */
export function columnsTable(outcomes: Outcomes): string {
  const plain = new Map<string, boolean>();
  for (const one of Object.values(outcomes)) plain.set(one.type, (plain.get(one.type) ?? true) && ROUTES.every((route) => one[route].startsWith('exact')));
  return [...plain].filter(([type, isPlain]) => isPlain && type !== '').map(([type]) => `\`${type}\``).join(', ');
}

/** The values that are not exact everywhere. */
export function valuesTable(outcomes: Outcomes): string {
  const rows = Object.values(outcomes).filter((one) => ROUTES.some((route) => !one[route].startsWith('exact')));
  return [HEAD, ...rows.map((one) => `| \`${one.type}\` | ${code(one.value)} | ${ROUTES.map((route) => cell(one[route])).join(' | ')} |`)].join('\n');
}
