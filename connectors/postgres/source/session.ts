import type { ConnectorContext } from '#sdk';
import type { SourceConfig } from '../config.ts';
import { connect, type Connection } from '../connection.ts';

/** A snapshot and a COPY whose consumer is slow are idle for long, and must not be ended for it. */
const PATIENT = { default_transaction_read_only: 'on', idle_in_transaction_session_timeout: '0', idle_session_timeout: '0' };

/** The source's connections: one for questions, one that holds the snapshot, and one for each read that runs. */
export class Sessions implements AsyncDisposable {
  private readonly config: SourceConfig;
  private readonly context: ConnectorContext;
  private readonly open = new Set<Connection>();
  /** With their goodbyes. */
  private readonly leaving = new Map<Connection, Promise<unknown>>();
  private control: Promise<Connection> | undefined;
  private warm: Promise<Connection> | undefined;

  constructor(config: SourceConfig, context: ConnectorContext) {
    this.config = config;
    this.context = context;
  }

  /** For the catalogue and for clocks. One that failed or broke is made anew. */
  questions(): Promise<Connection> {
    if (this.control) return this.control;
    const control = this.connect();
    this.control = control;
    const forget = (): void => { if (this.control === control) this.control = undefined; };
    control.then((connection) => connection.wire.closed.then(forget), forget);
    return control;
  }

  /**
   * The connection that holds a snapshot open: the one for questions, which is at hand; later questions get another. Never both, since
   * inside a transaction the server repeats what it knew of other sessions at first, and a bound taken from that would lose rows.
   */
  holder(): Promise<Connection> {
    const connection = this.questions();
    this.control = undefined;
    return connection;
  }

  /** Begins the connection that the next `reader` will use, so that its round trips overlap with other work. */
  prepare(): void {
    if (this.warm) return;
    this.warm = this.connect();
    this.warm.catch(() => undefined);
  }

  /** There is nothing more to ask: the next `reader` uses the connection for questions. */
  release(): void {
    if (this.warm) return;
    this.warm = this.control;
    this.control = undefined;
  }

  async reader(): Promise<Connection> {
    const { warm } = this;
    this.warm = undefined;
    return warm ? await warm.catch(() => this.connect()) : await this.connect();
  }

  /** Says goodbye. Only the next connection waits for the answer, so that there are never more of them at once. */
  close(connection: Connection): void {
    this.open.delete(connection);
    this.leaving.set(connection, Promise.resolve(connection[Symbol.asyncDispose]()).finally(() => this.leaving.delete(connection)));
  }

  /** Backends of this process, which hold snapshots and write nothing; also those that are not quite gone. */
  processIds(): readonly number[] {
    return [...this.open, ...this.leaving.keys()].map((connection) => connection.processId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.warm?.catch(() => undefined);
    await this.control?.catch(() => undefined);
    for (const connection of this.open) this.close(connection);
    await Promise.all(this.leaving.values());
    this.control = this.warm = undefined;
  }

  private async connect(): Promise<Connection> {
    await Promise.all(this.leaving.values());
    const connection = await connect(this.config, this.context.directory, { ...PATIENT, row_security: this.config.row_security === 'apply' ? 'on' : 'off' });
    this.open.add(connection);
    void connection.wire.closed.then(() => this.open.delete(connection));
    return connection;
  }
}
