// Makes npm.json: hashes by the libraries of other systems, as npm has them.
//
//     npm install --no-save better-auth@1.7.25 firebase-scrypt@2.2.0 bcryptjs@3.0.3
//     node npm.mjs > npm.json
//
// The salts are random, so that each run makes other hashes of the same passwords.

import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import bcrypt from 'bcryptjs'
import { hashPassword } from 'better-auth/crypto'

const require = createRequire(import.meta.url)
const { FirebaseScrypt } = require('firebase-scrypt')

const version = (name) =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'node_modules', name, 'package.json'))).version

const plain = 'correct horse battery staple'
const composed = "caf\u00e9 noir, s'il vous pla\u00eet"
const decomposed = "cafe\u0301 noir, s'il vous plai\u0302t"
const fullWidth = '\uff43orrect horse \u2168 battery' // NFKC makes c and IX of them
const long = 'a long sentence that has more than seventy-two bytes, which bcrypt alone would cut off'

const vectors = []
const add = (library, format, password, stored) =>
  vectors.push({ library: `${library} ${version(library)}`, format, password, stored })

for (const password of [plain, decomposed, fullWidth]) {
  add('better-auth', 'scrypt of better-auth', password, await hashPassword(password))
}

const signerKey = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=='
for (const [memCost, password] of [[14, plain], [10, composed], [10, decomposed], [10, long]]) {
  const salt = randomBytes(10).toString('base64')
  const firebase = new FirebaseScrypt({ memCost, rounds: 8, saltSeparator: 'Bw==', signerKey })
  const key = await firebase.hash(password, salt)
  add('firebase-scrypt', 'scrypt of Firebase', password,
    `$fbscrypt$v=1,n=${memCost},r=8,p=1,ss=Bw==,sk=${signerKey}$${salt}$${key}`)
}

for (const password of [plain, decomposed, long.slice(0, 72)]) {
  add('bcryptjs', 'bcrypt', password, await bcrypt.hash(password, 4))
}

console.log(JSON.stringify(vectors, null, 1))
