import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What becomes of the COMMIT that is due:
 * swallowed: it is forwarded, the server carries it out, the answer never arrives.
 * lost: it never reaches the server.
 * late: the client is cut off first, and the COMMIT arrives after that, when nobody waits for it.
 */
export const COMMIT_FAULTS = ['swallowed', 'lost', 'late'] as const;
export type CommitFault = (typeof COMMIT_FAULTS)[number];

const LATE_MS = 300;

/** Between `etl` and a Postgres on loopback: reads the client's messages, and breaks the connection around one COMMIT. */
export class CommitProxy {
  private readonly server: Server;
  private readonly target: number;
  private readonly sockets = new Set<Socket>();
  private fault: { kind: CommitFault; after: number } | undefined;
  /** A COMMIT that is still to arrive, and the connection that it arrives on. */
  private late: Promise<unknown> = Promise.resolve();
  commits = 0;
  broken = 0;

  private constructor(server: Server, target: number) {
    this.server = server;
    this.target = target;
  }

  static async start(target: number): Promise<CommitProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new CommitProxy(server, target);
    server.on('connection', (client) => proxy.serve(client));
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  /** The `after`-th COMMIT from now on, counted from 1. */
  arm(kind: CommitFault, after: number): void {
    this.fault = { kind, after };
    this.commits = 0;
    this.broken = 0;
  }

  /** Afterwards nothing is under way any more. */
  async disarm(): Promise<void> {
    this.fault = undefined;
    this.commits = 0;
    await this.late;
  }

  /** Breaks every connection at once. Returns how many there were. */
  cut(): number {
    const count = this.sockets.size / 2;
    for (const socket of this.sockets) socket.destroy();
    return count;
  }

  private serve(client: Socket): void {
    const server = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    const close = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => { this.sockets.delete(socket); });
    }
    let mute = false;
    const messages = messageReader();
    client.on('data', (chunk: Buffer) => {
      const fault = messages(chunk) ? this.due() : undefined;
      if (fault === undefined) {
        if (!mute) server.write(chunk);
        return;
      }
      mute = true;
      this.broken++;
      if (fault === 'lost') return close();
      if (fault === 'swallowed') {
        server.once('data', close); // carried out, and answered to nobody
        server.write(chunk);
        return;
      }
      client.destroy();
      this.late = new Promise((resolve) => void server.once('close', resolve));
      setTimeout(() => server.end(chunk), LATE_MS);
    });
    server.on('data', (chunk: Buffer) => { if (!mute) client.write(chunk); });
    client.on('close', () => { if (!mute) server.end(); });
    server.on('close', () => client.destroy());
  }

  private due(): CommitFault | undefined {
    this.commits++;
    if (this.fault?.after !== this.commits) return undefined;
    const { kind } = this.fault;
    this.fault = undefined;
    return kind;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => void this.server.close(() => resolve()));
  }
}

/** Follows the frames of a client; true when the chunk holds the Query or Parse message of a COMMIT. */
function messageReader(): (chunk: Buffer) => boolean {
  let started = false;
  let head = Buffer.alloc(0);
  let skip = 0;
  return (chunk) => {
    let found = false;
    let rest = chunk;
    while (rest.length > 0) {
      if (skip > 0) {
        const step = Math.min(skip, rest.length);
        skip -= step;
        rest = rest.subarray(step);
        continue;
      }
      const bytes = head.length > 0 ? Buffer.concat([head, rest]) : rest;
      const prefix = started ? 1 : 0;
      const peek = prefix + 4 + 10; // enough of the text to know a COMMIT
      if (bytes.length < prefix + 4) {
        head = Buffer.from(bytes);
        return found;
      }
      const length = prefix + bytes.readInt32BE(prefix);
      if (bytes.length < Math.min(length, peek)) {
        head = Buffer.from(bytes);
        return found;
      }
      const type = started ? String.fromCharCode(bytes[0] ?? 0) : '';
      const body = bytes.subarray(prefix + 4, Math.min(length, peek)).toString('latin1').toLowerCase();
      found ||= type === 'Q' && /^\s*commit\b/.test(body);
      started = true;
      head = Buffer.alloc(0);
      skip = Math.max(0, length - bytes.length);
      rest = bytes.subarray(Math.min(length, bytes.length));
    }
    return found;
  };
}
