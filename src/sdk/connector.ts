import type * as z from 'zod';
import type { EtlError, ErrorTexts } from '../errors/error.ts';
import type { Destination, Source } from './contract.ts';
import type { Ports } from './ports.ts';

/** What a connector gets besides its own config. */
export interface ConnectorContext {
  readonly ports: Ports;
  /** Folder of the job file: relative paths begin there. */
  readonly directory: string;
  /** Bytes of batches that this connector may hold ahead of the pipeline. */
  readonly maxBufferedBytes: number;
  /** One line for people and the log: a warning, a thing that was decided. Secrets are redacted by the receiver. */
  note(level: 'debug' | 'info' | 'warn', message: string): void;
}

/** One role of a connector: its config as one strict zod object, which gives types, validation, JSON Schema, docs and redaction. */
export interface Role<T, C> {
  readonly config: z.ZodType<C>;
  /** Paths in the config that are secrets: redacted everywhere. */
  readonly secrets: readonly string[];
  create(config: C, context: ConnectorContext): Promise<T>;
}

export interface SourceRole<C> extends Role<Source, C> {
  readonly syncModes: readonly ('full' | 'incremental' | 'cdc' | 'outbox')[];
}

export interface DestinationRole<C> extends Role<Destination, C> {
  /** Offline facts for lint, before any connection: they equal those of the created destination. */
  capabilities(config: C): Destination['capabilities'];
  /** Options that a job may set on a target of this destination (`format`, `compression` …), strict. */
  readonly targetOptions: z.ZodType;
}

export interface Connector<S = unknown, D = unknown> {
  readonly name: string;
  readonly title: string;
  /** URL schemes that stand for it on the command line: `postgres:`; and how a URL becomes its config. */
  readonly urls?: { readonly schemes: readonly string[]; toConfig(url: string): Record<string, unknown> };
  readonly source?: SourceRole<S>;
  readonly destination?: DestinationRole<D>;
  /** Maps the driver's errors; undefined: not mine, so internal. */
  classify?(error: unknown): EtlError | undefined;
  readonly errors: ErrorTexts;
}

/** Declares a connector; the types of its configs are inferred. */
export function defineConnector<S, D>(connector: Connector<S, D>): Connector<S, D> {
  return connector;
}
