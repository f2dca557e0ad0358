// What pg's lib/crypto/utils.js does with WebCrypto, done with node:crypto: the bundle takes this in its place.
const { createHash, createHmac, pbkdf2, randomBytes } = require('node:crypto');
const { promisify } = require('node:util');

const hashByName = async (name, data) => createHash(name).update(data).digest();
const md5 = async (data) => createHash('md5').update(data).digest('hex');

/** Each connection of a role is asked for the same key, which takes thousands of rounds. Not in this thread: the server names their number. */
const derived = new Map();

module.exports = {
  randomBytes,
  hashByName,
  md5,
  sha256: (data) => hashByName('sha256', data),
  hmacSha256: async (key, data) => createHmac('sha256', key).update(data).digest(),
  deriveKey(password, salt, iterations) {
    const of = JSON.stringify([password, Buffer.from(salt).toString('base64'), iterations]);
    if (!derived.has(of)) derived.set(of, promisify(pbkdf2)(password, salt, iterations, 32, 'sha256'));
    return derived.get(of);
  },
  async postgresMd5PasswordHash(user, password, salt) {
    return `md5${await md5(Buffer.concat([Buffer.from(await md5(password + user)), salt]))}`;
  },
};
