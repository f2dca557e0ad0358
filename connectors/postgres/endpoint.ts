import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { EtlError } from '#sdk';
import type { ConnectionConfig } from './config.ts';

/** Where and as whom, with the URL taken apart. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  /** PEM texts. The server is verified always. */
  readonly ssl: false | { readonly rejectUnauthorized: true; readonly ca?: string; readonly cert?: string; readonly key?: string };
}

interface UrlParts { host?: string; port?: number; user?: string; password?: string; database?: string; sslmode?: string; ca?: string; cert?: string; key?: string }

/** What may stand behind the `?` of a URL, as libpq spells it. */
const PARAMETERS: Readonly<Record<string, keyof UrlParts>> = { host: 'host', sslmode: 'sslmode', sslrootcert: 'ca', sslcert: 'cert', sslkey: 'key' };

function partsOf(text: string): UrlParts {
  try {
    return readUrl(new URL(text));
  } catch (error) {
    if (error instanceof EtlError) throw error;
    throw new EtlError({
      kind: 'config', code: 'ETL-PG-009', message: 'The connection\'s url is not a URL.',
      hint: 'Write postgres://user:password@host:5432/database, with `%25` for a %, `%23` for a #, `%2F` for a / and `%3F` for a ? in the password; or leave the URL out, and give host, user, password and database.',
    });
  }
}

function readUrl(url: URL): UrlParts {
  const host = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
  return {
    ...(host ? { host } : {}),
    ...(url.port ? { port: Number(url.port) } : {}),
    ...(url.username ? { user: decodeURIComponent(url.username) } : {}),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
    ...(url.pathname.length > 1 ? { database: decodeURIComponent(url.pathname.slice(1)) } : {}),
    ...Object.fromEntries([...url.searchParams].filter(([, value]) => value !== '').map(([name, value]) => [parameter(name), value])),
  };
}

/** Nothing of a URL is left aside unseen: it may be what protects the connection. */
function parameter(name: string): keyof UrlParts {
  const known = PARAMETERS[name];
  if (known) return known;
  throw new EtlError({
    kind: 'config', code: 'ETL-PG-009', message: `The connection's url has the parameter ${name}, which is not known here.`,
    hint: `Known are ${Object.keys(PARAMETERS).join(', ')}. Leave it out, or use a key of the connection: \`etl connectors info postgres\` lists them.`,
  });
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The parts of a connection, with TLS decided: verified, or plain where that is written or the server is on this machine. */
export function endpointOf(config: ConnectionConfig, directory: string): Endpoint {
  const { host = 'localhost', port = 5432, user, password, database = user, ...given } = { ...(config.url === undefined ? {} : partsOf(config.url)), ...config };
  if (user === undefined || database === undefined) throw new EtlError({ kind: 'config', code: 'ETL-PG-009', message: 'The connection names no user.' });
  const { sslmode = isLocal(host) ? 'disable' : 'verify-full', ca, cert, key } = given;
  if (sslmode !== 'verify-full' && sslmode !== 'disable') {
    throw new EtlError({
      kind: 'config', code: 'ETL-PG-003', message: `sslmode ${sslmode} does not verify the server.`, hint: 'Use verify-full, with `ca` for an authority of your own, or disable.',
    });
  }
  return { host, port, user, password, database, ssl: sslmode === 'disable' ? false : { rejectUnauthorized: true, ...pemTexts({ ca, cert, key }, directory) } };
}

function pemTexts(files: Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>, directory: string): { readonly ca?: string; readonly cert?: string; readonly key?: string } {
  if ((files.cert === undefined) !== (files.key === undefined)) {
    throw new EtlError({ kind: 'config', code: 'ETL-PG-009', message: 'The connection has one of `cert` and `key`, and needs both or none.', hint: 'Name the file with this client\'s certificate as `cert`, and the one with its private key as `key`.' });
  }
  return Object.fromEntries(Object.entries(files).flatMap(([name, file]) => (file === undefined ? [] : [[name, pemText(name, resolve(directory, file))]])));
}

function pemText(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new EtlError({
      kind: 'config', code: 'ETL-PG-009', message: `The file of \`${name}\` can't be read: ${error instanceof Error ? error.message : String(error)}`, hint: 'Correct its path, which begins at the folder of the job, or its rights.', cause: error,
    });
  }
}
