/** The same e-mail addresses as in `mixed`, through node:crypto's createHmac; with `values-only` all but the hashing. hmac ROWS [values-only] */
import { createHmac } from 'node:crypto';

const rows = Number(process.argv[2]);
const hashing = process.argv[3] !== 'values-only';
const key = Buffer.alloc(32, 7);
let length = 0;
for (let row = 1; row <= rows; row++) {
  const email = `user_${(row * 7919) % 100_000}@example.com`;
  length += hashing ? createHmac('sha256', key).update(email).digest('hex').length : email.length;
}
process.stdout.write(`${length}\n`);
