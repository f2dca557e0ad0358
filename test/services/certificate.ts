import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files. */
export interface Certificate { readonly certificate: string; readonly key: string }

/** For 127.0.0.1, its own authority, until 2126. It protects nothing: its key is public. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUdBKFCj9zK68h+51/47nrth3xgoQwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMjAzMjE0M1oYDzIxMjYxMDI5
MDMyMTQzWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASk3/XT6s3ItXIVOHsgo7k5Vp60R+jjQ3/bsmuzABN8l0fpP54PB18Z
9yBPA3xMhlDTeQGyEG4pht9BOYw50Hsdo2QwYjAdBgNVHQ4EFgQUosMZcltBZ9Fx
Dl9DTg4hJNpJ1m0wHwYDVR0jBBgwFoAUosMZcltBZ9FxDl9DTg4hJNpJ1m0wDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IQDYSN+8NGVMmHRGMwB8hHhk5cAwf8dKfExBEZjjEP6n1AIgWCP3I8vG1pyu9xUP
Ha93FHZg9sRJ9pPVfpkk5m6TyFQ=
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNzdTDHA60M4e2/Yw
bjxEvuJpU3PJIb3eaxJeH3f+3UahRANCAASk3/XT6s3ItXIVOHsgo7k5Vp60R+jj
Q3/bsmuzABN8l0fpP54PB18Z9yBPA3xMhlDTeQGyEG4pht9BOYw50Hsd
-----END PRIVATE KEY-----
`;

/** Puts it into a folder, for the account of the server in postgres.ts to read. */
export function writeCertificate(folder: string): Certificate {
  const made = { certificate: join(folder, 'server.crt'), key: join(folder, 'server.key') };
  writeFileSync(made.certificate, CERTIFICATE);
  writeFileSync(made.key, KEY, { mode: 0o600 });
  chmodSync(folder, 0o755);
  if (process.getuid?.() === 0) chownSync(made.key, 65_534, 65_534);
  return made;
}
