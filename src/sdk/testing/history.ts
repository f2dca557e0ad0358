import type { Schema } from '#batch';
import type { FullRow, Script, ScriptEvent } from './script.ts';

/** A stream as it stands at the source at one moment. */
export interface StreamImage {
  readonly schema: Schema;
  readonly rows: ReadonlyMap<string, FullRow>;
}

/** Where a live split stands, in the log: after `lsn` whole transactions and `part` events of the next. */
export interface LogPlace {
  readonly lsn: number;
  readonly part?: number;
}

/** The source's tables at every place of the log, by replaying one change after the other. */
export class History {
  private readonly images: Map<string, StreamImage>[] = [];

  constructor(readonly script: Script) {
    this.images.push(new Map(script.streams.map((stream) => [stream.name, { schema: stream.schema, rows: stream.initial }])));
  }

  at(stream: string, place: LogPlace): StreamImage {
    const image = this.whole(place.lsn).get(stream);
    if (!image) throw new RangeError(`no stream ${stream} in the script`);
    const events = place.part ? this.script.log[place.lsn]?.events.slice(0, place.part) ?? [] : [];
    return events.reduce((before, event) => step(stream, before, event), image);
  }

  private whole(lsn: number): Map<string, StreamImage> {
    for (let next = this.images.length; next <= lsn; next++) {
      const before = this.images[next - 1] ?? new Map<string, StreamImage>();
      const events = this.script.log[next - 1]?.events ?? [];
      const touched = new Set(events.map((event) => event.stream));
      this.images.push(new Map([...before].map(([name, image]) =>
        [name, touched.has(name) ? events.reduce((now, event) => step(name, now, event), image) : image])));
    }
    return this.images[lsn] ?? new Map<string, StreamImage>();
  }
}

/** What one event makes of a stream. */
function step(stream: string, image: StreamImage, event: ScriptEvent): StreamImage {
  if (event.stream !== stream) return image;
  switch (event.op) {
    case 'truncate': return { ...image, rows: new Map() };
    case 'schema': return { schema: event.schema, rows: image.rows };
    case 'delete': return { ...image, rows: without(image.rows, event.key) };
    case 'insert': case 'update': {
      const rows = without(image.rows, event.oldKey ?? event.key);
      return { ...image, rows: rows.set(event.key, event.full) };
    }
    case 'reject': case 'rebuild': return image;
  }
}

function without(rows: ReadonlyMap<string, FullRow>, key: string): Map<string, FullRow> {
  const copy = new Map(rows);
  copy.delete(key);
  return copy;
}
