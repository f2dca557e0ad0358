import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ports } from '#sdk';

/** The real clock and the real randomness. */
export const systemPorts: Ports = {
  clock: {
    now: () => Date.now(),
    // not `performance`, whose first use loads a good deal
    monotonic: () => Number(process.hrtime.bigint()) / 1e6,
    async sleep(ms, signal) {
      try {
        await sleep(ms, undefined, signal ? { signal } : {});
      } catch (error) {
        throw signal?.aborted ? signal.reason : error;
      }
    },
  },
  random: {
    next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
    bytes: (length) => randomBytes(length),
    uuidv7: () => uuidv7(Date.now()),
  },
};

let last = { ms: 0, counter: 0 };

/** Ordered even within a millisecond: 12 bits count up there. */
function uuidv7(now: number): string {
  const ms = Math.max(now, last.ms);
  const counter = ms === last.ms ? last.counter + 1 : randomBytes(1).readUInt8(0);
  last = counter > 0xfff ? { ms: ms + 1, counter: 0 } : { ms, counter };
  const bytes = randomBytes(16);
  bytes.writeUIntBE(last.ms, 0, 6);
  bytes.writeUInt16BE(0x7000 | last.counter, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
