import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const installed = resolve(root, '..', 'node_modules')

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-client-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  return folder
}

/**
 * Writes what the documents show of the client into a folder. A block whose first line names its
 * file is in that one of its page.
 */
function writeDocumentedCode(folder: string): void {
  const pages = [
    join(root, 'README.md'),
    ...['client.md', 'react.md', 'start.md'].map((page) => resolve(root, '..', '..', 'docs', page)),
  ]
  let count = 0
  for (const page of pages) {
    for (const [, language, code = ''] of readFileSync(page, 'utf8').matchAll(/```(tsx?)\n(.*?)```/gs)) {
      const name = /^\/\/ src\/(\S+)\n/.exec(code)?.[1] ?? `documented-${++count}.${language ?? ''}`
      const path = join(folder, basename(page, '.md'), name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, code)
    }
  }
  expect(count).toBeGreaterThan(4)
}

/** The size of what a page loads, in bytes gzipped. */
async function sizeOf(contents: string): Promise<number> {
  const bundle = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external: ['react'],
    write: false,
  })
  return gzipSync(bundle.outputFiles[0]?.contents ?? '', { level: 9 }).length
}

test('what a login and me need, refresh included, is at most 5 kB', async () => {
  const size = await sizeOf(`import { createClient } from './dist/index.js'
    const auth = createClient({ baseUrl: '' })
    document.onclick = async () => console.log(await auth.login({ email: '', password: '' }), await auth.me())`)
  console.log(`login and me: ${size} bytes gzipped`)
  expect(size).toBeGreaterThan(1000)
  expect(size).toBeLessThanOrEqual(5_000)
})

test('what React needs beside the client is at most 1 kB', async () => {
  const size = await sizeOf(`export * from './dist/react.js'`)
  console.log(`for React: ${size} bytes gzipped`)
  expect(size).toBeGreaterThan(300)
  expect(size).toBeLessThanOrEqual(1_000)
})

test('the package installs into an empty Vite project and type-checks as strictly as can be', () => {
  const folder = temporaryFolder()
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    stdio: 'ignore',
  })
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? ''

  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }))
  run('npm', 'install', '--silent', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, tarball))
  expect(readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
    '@latchkey-auth',
    'openapi-fetch',
    'openapi-typescript-helpers',
  ])
  // The tools are those that are installed here.
  for (const scope of ['@types', '@vue']) mkdirSync(join(folder, 'node_modules', scope))
  const types = ['@types/react', '@types/react-dom']
  for (const tool of ['vite', 'typescript', 'jose', 'react', 'react-dom', '@vue/reactivity', ...types]) {
    symlinkSync(join(installed, tool), join(folder, 'node_modules', tool))
  }
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'index.html'), '<!doctype html><script type="module" src="/src/main.ts"></script>')
  writeFileSync(
    join(folder, 'src', 'main.ts'),
    `import { createClient, webStorage, type LoginError } from '@latchkey-auth/client'
import { account } from '@latchkey-auth/client/account'
import { contract } from '@latchkey-auth/client/contract'
import { operators } from '@latchkey-auth/client/operators'

const auth = createClient({ baseUrl: 'http://127.0.0.1:8000', storage: webStorage('session') })
auth.onAuthChange((change) => { document.title = change.type === 'signed_out' ? change.reason : (auth.user?.username ?? 'in') })
const result = await auth.login({ email: 'ada@example.com', password: 'correct horse battery staple' })
const code: LoginError['code'] | undefined = result.ok ? undefined : result.error.code
const { data } = await contract(auth).GET('/api/users/me/')
const events = await account(auth).events({ limit: 1 })
for await (const page of operators(auth).listUsers()) console.log(page.ok && page.data.users)
console.log(events.ok, code, data?.username satisfies string | undefined)
export {}
`,
  )
  writeDocumentedCode(join(folder, 'src'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2022',
        module: 'ESNext',
        moduleResolution: 'bundler',
        lib: ['ES2022', 'DOM', 'DOM.Iterable'],
        jsx: 'react-jsx',
        // Of Vue, the part that the documents use.
        paths: { vue: ['./node_modules/@vue/reactivity'] },
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        verbatimModuleSyntax: true,
        skipLibCheck: false,
        noEmit: true,
      },
      include: ['src'],
    }),
  )
  run(process.execPath, join('node_modules', 'typescript', 'bin', 'tsc'))
  run(process.execPath, join('node_modules', 'vite', 'bin', 'vite.js'), 'build', '--logLevel', 'error')
  expect(readdirSync(join(folder, 'dist'))).toContain('index.html')
})
