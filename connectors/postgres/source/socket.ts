import { Socket, type OnReadOpts } from 'node:net';
import { Duplex } from 'node:stream';

/** Who takes over a connection's bytes while a COPY runs. */
export interface ByteSink {
  /** Room for the next read, in the linear memory. */
  room(): Uint8Array;
  /** `length` bytes came, to the start of `at`, which `room` gave. False: enough for now. */
  received(at: Uint8Array, length: number): boolean;
  closed(error: Error | undefined): void;
}

const CONTROL_BYTES = 65_536;

/**
 * A connection's bytes: normally `pg` reads them, and while a COPY runs a sink does. On a plain socket the kernel then writes straight
 * into the sink's memory; over TLS each decrypted chunk is copied there once.
 */
export class CopySocket {
  readonly socket: Duplex;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  private sink: ByteSink | undefined;
  private readonly direct: Socket | undefined;
  private failure: Error | undefined;

  private constructor(socket: Duplex, direct: Socket | undefined) {
    this.socket = socket;
    this.direct = direct;
    socket.on('error', (error) => (this.failure ??= error));
    socket.on('end', () => this.sink?.closed(this.failure));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.sink?.closed(this.failure);
        resolve();
      });
    });
  }

  /** A socket for `pg` to connect, that reads into a buffer of the caller's. */
  static plain(): CopySocket {
    const control = Buffer.allocUnsafe(CONTROL_BYTES);
    let owner: CopySocket | undefined;
    const onread = {
      buffer: () => owner?.sink?.room() ?? control,
      callback: (length: number, at: Uint8Array) => {
        if (owner?.sink) return owner.sink.received(at, length);
        socket.emit('data', Buffer.from(at.subarray(0, length)));
        return true;
      },
    };
    // Node takes `onread` here as in connect(); its types know only the latter.
    const socket = new Socket({ onread: onread as unknown as OnReadOpts } as ConstructorParameters<typeof Socket>[0]);
    owner = new CopySocket(socket, socket);
    return owner;
  }

  /** The stream of a connection that `pg` has made, TLS mostly. */
  static over(stream: Duplex): CopySocket {
    return new CopySocket(stream, undefined);
  }

  /** From the next byte on the sink reads. */
  attach(sink: ByteSink): void {
    this.sink = sink;
    if (this.direct) return;
    // what was decrypted comes here first: as events of a stream, 8 KiB each, it would cost as much again as decrypting it
    const { socket } = this;
    socket.push = (chunk: Buffer | null) => (chunk === null ? Duplex.prototype.push.call(socket, chunk) : this.copyIn(sink, chunk));
  }

  /** Gives the bytes back to `pg`. */
  detach(): void {
    this.sink = undefined;
    if (!this.direct) this.socket.push = Duplex.prototype.push;
    this.resume();
  }

  /** A COPY has taken the bytes over and not given them back. */
  get taken(): boolean {
    return this.sink !== undefined;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  resume(): void {
    this.socket.resume();
    if (!this.direct) this.socket._read(CONTROL_BYTES); // the stream does not know when a sink had enough
  }

  destroy(): void {
    this.socket.destroy();
  }

  private copyIn(sink: ByteSink, chunk: Buffer): boolean {
    let more = true;
    for (let from = 0; from < chunk.length;) {
      const room = sink.room();
      const length = Math.min(room.length, chunk.length - from);
      room.set(chunk.subarray(from, from + length));
      more = sink.received(room, length);
      from += length;
    }
    return more;
  }
}
