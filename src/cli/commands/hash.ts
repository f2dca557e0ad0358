import { Args, Flags } from '../oclif.ts';
import { EtlError } from '../../errors/error.ts';
import { columnRules } from '../../job/columns.ts';
import { parseCast } from '../../job/casts.ts';
import { Diagnostics, toError } from '../../job/diagnostics.ts';
import { environmentOf } from '../../job/environment.ts';
import { interpolate } from '../../job/interpolate.ts';
import { hashValue } from '../../normalize/index.ts';
import { EtlCommand, type Outcome } from '../command.ts';

export default class Hash extends EtlCommand {
  static override summary = 'Hash one value as a job does, for erasure requests. The value is read from stdin where it is not given.';
  static override examples = ["echo -n a@example.com | etl hash --key '${file:keys/pii}' --domain public.orders.email --normalizer email"];
  static override args = { value: Args.string({ ignoreStdin: true, description: 'Better through stdin: arguments are seen by every user of the machine.' }) };
  static override flags = {
    key: Flags.string({ required: true, description: "A reference to the key: '${file:keys/pii}' or '${PII_KEY}'." }),
    domain: Flags.string({ required: true, description: 'The domain of the rule; without one in the job it is stream.column.' }),
    normalizer: Flags.string({ options: ['email', 'phone'] }),
    type: Flags.string({ default: 'text', description: 'Type of the column.' }),
  };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(Hash);
    if (!flags.key.includes('${')) throw new EtlError({ kind: 'config', code: 'ETL-JOB-035', message: 'the key of a hash stands in the arguments, where every user of this machine sees it', hint: "write a reference: --key '${file:keys/pii}'" });
    const filled = interpolate(flags.key, { environment: environmentOf(process.env, process.cwd()), directory: process.cwd(), allowExec: false, missing: 'error', onSecret: (value) => this.output.redactor.add(value) });
    const complaint = filled.complaints[0];
    if (complaint) throw new EtlError({ kind: complaint.kind ?? 'config', code: complaint.code, message: complaint.message, ...(complaint.hint === undefined ? {} : { hint: complaint.hint }) });
    this.output.redactor.add(filled.text);
    const type = parseCast(flags.type);
    if (!type) throw new EtlError({ kind: 'config', code: 'ETL-JOB-030', message: `\`${flags.type}\` is not a type`, hint: 'such as text, int64, uuid' });
    const diagnostics = new Diagnostics();
    const normalizer = flags.normalizer === 'email' || flags.normalizer === 'phone' ? flags.normalizer : undefined;
    const rule = columnRules({ value: { hash: 'hmac-sha256', key: filled.text, domain: flags.domain, ...(normalizer ? { normalizer } : {}) } }, [], { diagnostics, isOpen: () => false }).columns['value']?.hash;
    const first = diagnostics.errors[0];
    if (first) throw toError(first);
    if (!rule) throw new EtlError({ kind: 'config', code: 'ETL-JOB-041', message: 'the key is empty', hint: 'check what the reference names' });
    const digest = hashValue({ ...rule, domain: flags.domain }, args.value ?? (await stdin()), type);
    if (digest === null) throw new EtlError({ kind: 'data', code: 'ETL-CLI-002', message: `the value is no ${normalizer ?? flags.type}: a job rejects such a row, and writes no hash of it`, hint: 'correct the value, --type or --normalizer' });
    if (!this.output.options.json) this.output.data(digest);
    return { summary: digest, result: { digest, keyId: rule.key.id, domain: flags.domain } };
  }
}

async function stdin(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString('utf8').replace(/\r?\n$/, '');
}
