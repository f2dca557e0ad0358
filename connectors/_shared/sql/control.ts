import type { RunToken } from '#sdk';
import { Turnstile } from '../turnstile.ts';
import type { SqlDatabase, SqlSession } from './dialect.ts';
import type { Fence } from './fence.ts';
import { STATE_SCHEMA } from './names.ts';
import { transact } from './transact.ts';

/**
 * The run's own connection: it begins and publishes loads, makes tables and raises split epochs. One caller at a time, in order.
 *
 * One that broke is made anew at the next call, so that a retry can succeed. Whatever the old one may still do is ended first (rule 10),
 * and each transaction on the new one begins with the run's fence (rule 7).
 */
export class Control {
  private session: SqlSession;
  private readonly database: SqlDatabase;
  private readonly token: RunToken;
  private readonly turnstile = new Turnstile();

  constructor(database: SqlDatabase, token: RunToken, session: SqlSession) {
    this.database = database;
    this.token = token;
    this.session = session;
  }

  run<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.turnstile.run(async () => work(await this.live()));
  }

  transact<T>(fences: readonly Fence[], work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.run((session) => transact(session, () => work(session), fences));
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private async live(): Promise<SqlSession> {
    const broken = this.session;
    if (!broken.broken) return broken;
    const session = await this.database.connect();
    try {
      if (broken.backend !== undefined) await this.database.terminate(session, broken.backend);
      // a successor has to know whom to end; where the lease is another's by now, the fence of the work says so
      await session.query(`update ${STATE_SCHEMA}.leases set backend = $3 where pipe = $1 and run_id = $2 and backend is not distinct from $4`,
        [this.token.pipe, this.token.runId, session.backend ?? null, broken.backend ?? null]);
    } catch (error) {
      await session.close();
      throw error;
    }
    await broken.close();
    this.session = session;
    return session;
  }
}
