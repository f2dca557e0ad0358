import { EtlError } from '#sdk';

/** The path of `file:lake`, `file:./lake`, `file:/lake` or `file:///lake`: one without a slash at its begin is relative. */
export function pathOfUrl(url: string): string {
  const [path = '', parameters] = url.replace(/^[a-z][a-z0-9+.-]*:(\/\/)?/i, '').split('?');
  if (parameters !== undefined) {
    throw new EtlError({ kind: 'config', code: 'ETL-JOB-036', message: `the URL ${url} has parameters, which it can't have`, hint: 'use a job file for settings; a question mark that belongs to the path is written %3F' });
  }
  return decodeURIComponent(path);
}
