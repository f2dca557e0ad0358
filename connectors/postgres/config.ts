import * as z from 'zod';

/** How one connection to Postgres is made: shared by source and destination. */
export const connectionShape = {
  url: z.string().regex(/^postgres(ql)?:\/\//).optional().describe('postgres://user:password@host:port/database; instead of the single parts'),
  host: z.string().min(1).optional().describe('Name, address, or the folder of a unix socket'),
  port: z.number().int().min(1).max(65_535).optional(),
  user: z.string().min(1).optional(),
  password: z.string().optional(),
  database: z.string().min(1).optional(),
  sslmode: z.enum(['verify-full', 'disable']).optional().describe('Default: verify-full, but plain on loopback and unix sockets'),
  ca: z.string().min(1).optional().describe('File with the certificate authority, PEM'),
  cert: z.string().min(1).optional().describe('File with the certificate of this client, PEM, for a server that asks for one'),
  key: z.string().min(1).optional().describe('File with the private key of `cert`, PEM'),
  application_name: z.string().min(1).max(63).default('etl'),
  connect_timeout_ms: z.number().int().min(1).default(10_000),
  statement_timeout_ms: z.number().int().min(0).default(60_000).describe('For statements of the catalogue and for control; never for reading rows'),
} as const;

export const sourceConfig = z.strictObject({
  ...connectionShape,
  row_security: z.enum(['refuse', 'apply']).default('refuse').describe('Of tables whose policies hide rows from this role: refuse them, or read the rows that are left'),
  max_row_bytes: z.number().int().min(1024).max(256 * 1024 * 1024).default(64 * 1024 * 1024).describe('A larger row stops the run with a typed error'),
});
export type SourceConfig = z.infer<typeof sourceConfig>;

/** What a connection needs, whichever the role. */
export interface ConnectionConfig {
  readonly url?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: string | undefined;
  readonly sslmode?: 'verify-full' | 'disable' | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly application_name: string;
  readonly connect_timeout_ms: number;
  readonly statement_timeout_ms: number;
}

export const connectionSecrets: readonly string[] = ['url', 'password'];
