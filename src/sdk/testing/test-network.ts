import { EtlError } from '../../errors/error.ts';
import { failpoint } from '../failpoint.ts';

/** lost before: the call never arrives; lost after: it takes effect, its answer is lost; late: it arrives when its sender has given it up. */
export type NetworkFault = 'lost before' | 'lost after' | 'late';

/** The wire between a destination object and its server: every call is atomic there, its answer may be lost, the call itself overtaken. */
export class TestNetwork {
  private readonly overtaken: (() => void)[] = [];

  constructor(private readonly decide: (call: string) => NetworkFault | undefined = () => undefined) {}

  async call<T>(name: string, effect: () => T): Promise<T> {
    const fault = this.decide(name);
    await failpoint(`memory.${name}.sending`);
    if (fault === 'late') this.overtaken.push(() => { effect(); });
    const answer = fault === undefined || fault === 'lost after' ? effect() : undefined;
    await failpoint(`memory.${name}.sent`);
    if (fault === undefined) return answer as T;
    throw new EtlError({ kind: 'transient', code: 'ETL-TST-020-UNKNOWN', message: `No answer to ${name}: ${fault}.` });
  }

  /** Calls that were overtaken arrive now; what the server says to them nobody hears. */
  deliverLate(): number {
    const calls = this.overtaken.splice(0);
    for (const call of calls) {
      try {
        call();
      } catch (error) {
        if (!(error instanceof EtlError)) throw error;
      }
    }
    return calls.length;
  }
}
