import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { entries, folder, modules, run } from './fixture.ts'

/** Each release of TypeScript that the package's types are made for, oldest first. */
const versions = readdirSync(modules)
  .filter((name) => name.startsWith('typescript-'))
  .map((name) => name.replace('typescript-', ''))
const [oldest = '', newest = ''] = [versions[0], versions.at(-1)]

const dom = ['ES2022', 'DOM', 'DOM.Iterable']
/** How projects resolve packages, and which format their files have. */
const projects = {
  bundler: { type: 'module', module: 'ESNext', moduleResolution: 'bundler', lib: dom, types: [] },
  nodenext: { type: 'module', module: 'NodeNext', moduleResolution: 'NodeNext', lib: ['ES2022'], types: ['node'] },
  'node16 CommonJS': { type: 'commonjs', module: 'Node16', moduleResolution: 'Node16', lib: dom, types: [] },
  node10: { type: 'commonjs', module: 'CommonJS', moduleResolution: 'node10', lib: dom, types: [] },
}

/** A program that uses every entry, and is narrow enough to see a type that has become `any`. */
function program(version: string): string {
  // Hono's own types need TypeScript 5.7.
  const usable = entries().filter((entry) => !entry.endsWith('/hono') || !/^5\.[456]$/.test(version))
  const imports = usable.map((entry, i) => `import * as entry${i} from '${entry}'\nexport { entry${i} }`)
  return `${imports.join('\n')}
import { createClient, type LoginError } from '@latchkey-auth/client'
import { account } from '@latchkey-auth/client/account'
import { contract } from '@latchkey-auth/client/contract'
import { cookieJarStorage } from '@latchkey-auth/client/server'
import { createVerifier, type Claims } from '@latchkey-auth/client/verify'

export async function use(): Promise<string | undefined> {
  const storage = cookieJarStorage(new Map<string, string>())
  const auth = createClient({ baseUrl: 'http://127.0.0.1:8000', storage })
  const result = await auth.login({ email: 'ada@example.com', password: 'correct horse battery staple' })
  const code: LoginError['code'] | undefined = result.ok === false ? result.error.code : undefined
  // @ts-expect-error A code that the contract doesn't have.
  const other: LoginError['code'] = 'something else'
  const { data } = await contract(auth).GET('/api/users/me/')
  // @ts-expect-error A path that the contract doesn't have.
  void contract(auth).GET('/api/nothing/')
  const events = await account(auth).events({ limit: 1 })
  const claims: Claims = await createVerifier({ url: '', issuer: '', audience: '' })('')
  console.log(events.ok, code, other, claims.uid)
  return data?.username
}
`
}

type Project = keyof typeof projects

/** Makes a project for a release, and returns its folder. */
function projectOf(version: string, project: Project, strict: boolean): string {
  const { type, ...options } = projects[project]
  // What a later release has deprecated is still to be had by this, until it is gone.
  const deprecated = version.startsWith('6.') ? { ignoreDeprecations: '6.0' } : {}
  const compilerOptions = { ...options, ...deprecated, target: 'ES2022', strict, skipLibCheck: false, noEmit: true }
  return folder(`types/${version} ${project} ${strict ? 'strict' : 'loose'}`, {
    'package.json': JSON.stringify({ private: true, type }),
    'tsconfig.json': JSON.stringify({ compilerOptions, files: ['use.ts'] }),
    'use.ts': program(version),
  })
}

/** What a release compiles beside a project of a bundler that is strict. */
const more: Record<string, [Project, boolean][]> = {
  [oldest]: [
    ['nodenext', true],
    ['node16 CommonJS', true],
    ['node10', true],
    ['bundler', false],
  ],
  '6.0': [['node10', true]],
  [newest]: [
    ['nodenext', true],
    ['node16 CommonJS', true],
    ['node16 CommonJS', false],
  ],
}

// One compiler for all projects of a release reads its libraries once.
test.concurrent.each(versions)('TypeScript %s compiles every entry, in each of its projects', async (version) => {
  const all: [Project, boolean][] = [['bundler', true], ...(more[version] ?? [])]
  const folders = all.map(([project, strict]) => projectOf(version, project, strict))
  await run(modules, process.execPath, [join(modules, `typescript-${version}`, 'bin', 'tsc'), '--build', ...folders])
})

test('no entry’s types tell of another format than its code has', async () => {
  const work = join(import.meta.dirname, '.work')
  const tarball = readdirSync(work).find((name) => name.endsWith('.tgz')) ?? ''
  const checked = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(join(work, tarball)))))
  expect(checked).toMatchObject({ types: { kind: 'included' }, problems: [] })
})
