/** Durations, sizes, ratios and rates as people write them. Each gives undefined for what it can't read. */

const DURATION: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `10m`, `1h30m`, `500ms`; a bare number means seconds. Milliseconds. */
export function parseDuration(value: string | number): number | undefined {
  if (typeof value === 'number') return value >= 0 ? Math.round(value * 1000) : undefined;
  const text = value.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount = '0', unit = 's'] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) total += Number(amount) * (DURATION[unit] ?? 0);
  return Math.round(total);
}

const SIZE: Readonly<Record<string, number>> = {
  b: 1, kb: 1000, mb: 1e6, gb: 1e9, tb: 1e12, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, tib: 1024 ** 4,
};

/** `512MiB`, `64 MB`; a bare number means bytes. */
export function parseSize(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value > 0 ? value : undefined;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?$/i.exec(value.trim());
  const unit = SIZE[(match?.[2] ?? 'b').toLowerCase()];
  if (match === null || unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return bytes > 0 ? bytes : undefined;
}

/** `0.1%` is a ratio, `100` a number of rows. */
export function parseTolerance(value: string | number): { readonly ratio: number } | { readonly rows: number } | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? { rows: value } : undefined;
  const text = value.trim();
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text);
  if (percent) {
    const ratio = Number(percent[1]) / 100;
    return ratio <= 1 ? { ratio } : undefined;
  }
  return /^\d+$/.test(text) ? { rows: Number(text) } : undefined;
}

/** `200 rows/s`, `1000/m`, `200`. Rows per second. */
export function parseRate(value: string | number): number | undefined {
  if (typeof value === 'number') return value > 0 ? value : undefined;
  const match = /^(\d+(?:\.\d+)?)\s*(?:rows)?\s*(?:\/\s*(s|m|h))?$/.exec(value.trim());
  if (match === null) return undefined;
  const perSecond = Number(match[1]) / ({ s: 1, m: 60, h: 3600 }[match[2] ?? 's'] ?? 1);
  return perSecond > 0 ? perSecond : undefined;
}
