import { expect, test } from 'vitest';
import { pathOfUrl } from './url-path.ts';

test.each([
  ['file:lake', 'lake'], ['file:./lake/x', './lake/x'], ['file:/lake', '/lake'], ['file:///lake', '/lake'], ['file:a%20b%3F', 'a b?'], ['duckdb:shop.duckdb', 'shop.duckdb'], ['duckdb:///shop.duckdb', '/shop.duckdb'],
])('%s names the path %s', (url, path) => { expect(pathOfUrl(url)).toBe(path); });

test('parameters are refused', () => {
  expect(() => pathOfUrl('file:lake?format=jsonl')).toThrow(expect.objectContaining({ code: 'ETL-JOB-036' }) as Error);
});
