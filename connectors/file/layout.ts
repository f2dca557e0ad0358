import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EtlError, type Target } from '#sdk';

/**
 * <root>/<schema>/<table>/<data>.parquet          committed rows, and nothing else
 * <root>/<schema>/<table>/.<data>.parquet.pending hidden: not committed, or staged
 * <root>/<schema>/<table>/.etl-target             the mark of the folder (rule 22)
 * <root>/_etl/<pipe>/log/00000000001.json         the records; lease.json and quarantine/ beside them
 */
export const MARK = '.etl-target';
const STATE = '_etl';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export function pipeFolder(root: string, pipe: string): string {
  return join(root, STATE, sha256(pipe).slice(0, 16));
}

/** A name as one segment of a path: injective, and unable to leave its folder or to hide. */
function segment(name: string): string {
  const safe = name
    // eslint-disable-next-line no-control-regex
    .replaceAll(/[%/\\\u0000-\u001f\u007f]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`)
    .replace(/^\./, '%2E')
    .replace(/^_etl$/, '%5Fetl');
  if (safe === '' || Buffer.byteLength(safe) > 255) {
    throw new EtlError({ kind: 'config', code: 'ETL-FILE-015', message: `The name "${name.slice(0, 80)}" can't be a folder's.`, hint: 'Give the table a shorter name.' });
  }
  return safe;
}

/** Folder of a target, relative to the root. */
export function tableOf(target: Target): string {
  return target.schema === undefined ? segment(target.table) : join(segment(target.schema), segment(target.table));
}

/** Who wrote a data file, read from its name alone: enough to know whether its session is dead. */
export interface FileOrigin {
  /** Of pipe and log: files of a log that is lost are nobody's, and are never swept. */
  readonly tag: string;
  readonly run: number;
  readonly load: string;
  readonly split: string;
  readonly epoch: number;
}

export function tagOf(pipe: string, log: string): string {
  return sha256(`${pipe}\0${log}`).slice(0, 10);
}

/** An id inside a file name. */
export function idInName(id: string): string {
  const safe = id.replaceAll(/[^A-Za-z0-9_-]/g, (char) => `=${char.codePointAt(0)?.toString(16) ?? ''}`);
  return safe.length <= 60 ? safe : `${safe.slice(0, 40)}=${sha256(id).slice(0, 16)}`;
}

const padded = (value: number, width: number): string => String(value).padStart(width, '0');

export function dataName(origin: FileOrigin, revision: number, count: number): string {
  const { tag, run, load, split, epoch } = origin;
  return `${tag}.r${padded(run, 6)}.${idInName(load)}.${idInName(split)}.e${padded(epoch, 4)}.v${padded(revision, 6)}.n${padded(count, 4)}`;
}

const DATA_NAME = /^([0-9a-f]{10})\.r(\d+)\.([\w=-]+)\.([\w=-]+)\.e(\d+)\.v\d+\.n\d+\.[a-z]+$/;

/** `load` and `split` come back as they stand in names: compare with {@link idInName}. */
export function originOf(name: string): FileOrigin | undefined {
  const [, tag, run, load, split, epoch] = DATA_NAME.exec(name) ?? [];
  if (tag === undefined || load === undefined || split === undefined) return undefined;
  return { tag, run: Number(run), load, split, epoch: Number(epoch) };
}

export const hidden = (name: string): string => `.${name}.pending`;
export const unhidden = (name: string): string | undefined => /^\.(.+)\.pending$/.exec(name)?.[1];

/** The one thing that a plan of files says and a run reports. */
export function makesFolder(table: string): string {
  return `create folder ${table}`;
}
